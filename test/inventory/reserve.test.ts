import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { receiveStock } from '../../src/inventory/catalogue-store.ts'
import { reserveStock } from '../../src/inventory/store.ts'
import { type Database, openDatabase, sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { codeOf, drift, levels, order, stocked } from './warehouse.ts'

let database: TestDatabase
let db: Database
let other: Database
beforeAll(async () => {
  database = await testDatabase('inventory')
  db = database.db
  other = openDatabase(database.url, { max: 4 })
})
afterAll(async () => {
  await other.close()
  await database.drop()
})
afterEach(async () => expect(await drift(db)).toEqual([]))

describe('reserving stock', () => {
  it('holds all items of an order, priced, and leaves what is on hand', async () => {
    const [a, b] = [await stocked(db, { main: 5 }), await stocked(db, { main: 1, north: 4 }, { unit_price_minor: 1234, weight_grams: 7 })]
    const [answer] = await reserveStock(db, [order({ [a]: 2, [b]: 3 })])
    expect(answer).toEqual({
      kind: 'done',
      value: {
        currency: 'EUR',
        items: [
          { product_id: a, quantity: 2, unit_price_minor: 500, weight_grams: 100, allocations: [{ location_id: 'main', quantity: 2 }] },
          {
            product_id: b,
            quantity: 3,
            unit_price_minor: 1234,
            weight_grams: 7,
            allocations: [
              { location_id: 'main', quantity: 1 },
              { location_id: 'north', quantity: 2 },
            ],
          },
        ],
      },
    })
    expect([await levels(db, a), await levels(db, b)]).toEqual([{ main: [5, 2] }, { main: [1, 1], north: [4, 2] }])
  })

  it('holds nothing of an order of which one item is short', async () => {
    const [a, b] = [await stocked(db, { main: 5 }), await stocked(db, { main: 1 })]
    expect(codeOf((await reserveStock(db, [order({ [a]: 1, [b]: 2 })]))[0])).toBe('out_of_stock')
    expect([await levels(db, a), await levels(db, b)]).toEqual([{ main: [5, 0] }, { main: [1, 0] }])
  })

  it('answers each order of a batch by itself, in the order asked', async () => {
    const [a, gone] = [await stocked(db, { main: 2 }), await stocked(db, { main: 2 }, { status: 'discontinued' })]
    const answers = await reserveStock(db, [
      order({ [a]: 1 }),
      order({ nothing: 1 }),
      order({ [a]: 5 }),
      order({ [gone]: 1 }),
      order({ [a]: 1 }),
      order({ [a]: 1 }),
    ])
    expect(answers.map(codeOf)).toEqual(['done', 'unknown_product', 'out_of_stock', 'product_discontinued', 'done', 'out_of_stock'])
  })

  it('lets an order that asks twice for one product disturb nobody', async () => {
    const a = await stocked(db, { main: 5 })
    const twice = {
      orderId: randomUUID(),
      currency: '',
      items: [
        { productId: a, quantity: 3 },
        { productId: a, quantity: 3 },
      ],
    }
    expect((await reserveStock(db, [order({ [a]: 1 }), twice, order({ [a]: 1 })])).map(codeOf)).toEqual(['done', 'out_of_stock', 'done'])
  })

  it('gives the stored answer to a repeat, with the prices of that time', async () => {
    const a = await stocked(db, { main: 5 })
    const wanted = order({ [a]: 2 })
    const first = await reserveStock(db, [wanted])
    await db.query(sql`update products set unit_price_minor = 999, status = 'discontinued' where id = ${a}`)
    expect(await reserveStock(db, [wanted])).toEqual(first)
    expect(await levels(db, a)).toEqual({ main: [5, 2] })
  })

  it('keeps a refusal, also when the goods have come since', async () => {
    const a = await stocked(db, { main: 1 })
    const wanted = order({ [a]: 2 })
    const first = await reserveStock(db, [wanted])
    await receiveStock(db, [{ receiptId: randomUUID(), productId: a, locationId: 'main', quantity: 10, reason: 'delivery' }])
    expect(await reserveStock(db, [wanted])).toEqual(first)
    expect(codeOf(first[0])).toBe('out_of_stock')
  })

  it('decides once about the same order twice in one batch', async () => {
    const a = await stocked(db, { main: 5 })
    const wanted = order({ [a]: 2 })
    const [first, second] = await reserveStock(db, [wanted, wanted])
    expect(second).toEqual(first)
    expect(await levels(db, a)).toEqual({ main: [5, 2] })
  })

  it.each([
    ['products that exist', 5, 'done'],
    ['a product without stock rows', null, 'out_of_stock'],
  ])('decides once about the same orders in two batches at once: %s', async (_case, onHand, expected) => {
    for (let round = 0; round < 15; round++) {
      const a = await stocked(db, onHand === null ? {} : { main: onHand })
      const [x, y] = [order({ [a]: 1 }), order({ [a]: 1 })]
      const [one, two] = await Promise.all([reserveStock(db, [x, y]), reserveStock(other, [y, x])])
      expect(one.map(codeOf)).toEqual([expected, expected])
      expect([two[1], two[0]]).toEqual(one)
      expect(await levels(db, a)).toEqual(onHand === null ? {} : { main: [onHand, 2] })
    }
  })

  it('decides once about one unknown product in two batches at once', async () => {
    for (let round = 0; round < 10; round++) {
      const [x, y] = [order({ nothing: 1 }), order({ nothing: 1 })]
      const [one, two] = await Promise.all([reserveStock(db, [x, y]), reserveStock(other, [y, x])])
      expect([...one, ...two].map(codeOf)).toEqual(Array(4).fill('unknown_product'))
    }
  })

  it('sells the last unit to exactly one of two that race for it, every time', async () => {
    for (let round = 0; round < 40; round++) {
      const a = await stocked(db, { main: 1 })
      const [one, two] = await Promise.all([reserveStock(db, [order({ [a]: 1 })]), reserveStock(other, [order({ [a]: 1 })])])
      expect([codeOf(one[0]), codeOf(two[0])].sort()).toEqual(['done', 'out_of_stock'])
      expect(await levels(db, a)).toEqual({ main: [1, 1] })
    }
  })

  it('sells 30 units to 30 of 100 buyers who come at once', async () => {
    const a = await stocked(db, { main: 20, north: 10 })
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => reserveStock(i % 2 ? db : other, [order({ [a]: 1 })])))
    expect(answers.flat().filter((answer) => answer.kind === 'done').length).toBe(30)
    expect(await levels(db, a)).toEqual({ main: [20, 20], north: [10, 10] })
  })

  it('never fails orders that ask for the same products in opposite order, and meets no deadlock', async () => {
    const before = await deadlocks()
    const [a, b] = [await stocked(db, { main: 1000, north: 5 }), await stocked(db, { main: 1000, south: 5 })]
    for (let round = 0; round < 40; round++) {
      const answers = await Promise.all([
        reserveStock(db, [order({ [a]: 1, [b]: 1 })]),
        reserveStock(other, [order({ [b]: 1 }), order({ [a]: 1 })]),
      ])
      expect(answers.flat().map(codeOf)).toEqual(['done', 'done', 'done'])
    }
    expect(await deadlocks()).toBe(before)
  })
})

async function deadlocks(): Promise<number> {
  const [row] = await db.query<{ deadlocks: number }>(sql`select deadlocks from pg_stat_database where datname = current_database()`)
  return row?.deadlocks ?? 0
}

describe('the promise in the database itself', () => {
  it.each([
    ['more reserved than on hand', sql`update stock set reserved = on_hand + 1`],
    ['reserved below zero', sql`update stock set reserved = -1`],
    ['on hand below zero', sql`update stock set on_hand = -1, reserved = 0`],
  ])('refuses %s, whoever writes it', async (_what, statement) => {
    await stocked(db, { main: 3 })
    await expect(db.query(statement)).rejects.toThrow(/check constraint/)
  })

  it.each([
    ['changed', sql`update movements set on_hand_delta = 0`],
    ['deleted', sql`delete from movements`],
  ])('movements can not be %s', async (_what, statement) => {
    await expect(db.query(statement)).rejects.toThrow('movements is append-only')
  })
})
