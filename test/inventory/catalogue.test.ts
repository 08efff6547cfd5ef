import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { adjustStock, createProducts, getProducts, listProducts, receiveStock } from '../../src/inventory/catalogue-store.ts'
import { reserveStock } from '../../src/inventory/store.ts'
import { type Database, openDatabase, sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { codeOf, drift, levels, order, product, stocked } from './warehouse.ts'

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

const receipt = (productId: string, quantity: number, locationId = 'main') => ({
  receiptId: randomUUID(),
  productId,
  locationId,
  quantity,
  reason: 'delivery',
})

describe('creating products', () => {
  it('stores them with their first stock', async () => {
    const wanted = product({ main: 3, north: 0 })
    const [answer] = await createProducts(db, [wanted])
    expect(answer).toEqual({ kind: 'done', value: { ...wanted, created_at: expect.any(Date) } })
    expect(await levels(db, wanted.id)).toEqual({ main: [3, 0], north: [0, 0] })
  })

  it('again, unchanged, is done and adds no stock', async () => {
    const wanted = product({ main: 3 })
    await createProducts(db, [wanted])
    expect((await createProducts(db, [wanted, wanted])).map(codeOf)).toEqual(['done', 'done'])
    expect(await levels(db, wanted.id)).toEqual({ main: [3, 0] })
  })

  it('with other data under the same id is refused, and disturbs nobody', async () => {
    const wanted = product({ main: 3 })
    await createProducts(db, [wanted])
    expect((await createProducts(db, [product(), { ...wanted, unit_price_minor: 1 }, product()])).map(codeOf)).toEqual([
      'done',
      'product_exists',
      'done',
    ])
  })

  it('twice with other data in one batch keeps the stock of the one that was stored', async () => {
    const first = product({ main: 3 })
    const [one, two] = await createProducts(db, [
      first,
      { ...first, name: 'another thing', stock: [{ location_id: 'main', on_hand: 9, reserved: 0 }] },
    ])
    expect([codeOf(one), codeOf(two)].sort()).toEqual(['done', 'product_exists'])
    expect(await levels(db, first.id)).toEqual({ main: [codeOf(one) === 'done' ? 3 : 9, 0] })
  })

  it('from two connections at once creates each once', async () => {
    for (let round = 0; round < 10; round++) {
      const [a, b] = [product({ main: 3 }), product({ main: 4 })]
      const answers = await Promise.all([createProducts(db, [a, b]), createProducts(other, [b, a])])
      expect(answers.flat().map(codeOf)).toEqual(['done', 'done', 'done', 'done'])
      expect([await levels(db, a.id), await levels(db, b.id)]).toEqual([{ main: [3, 0] }, { main: [4, 0] }])
    }
  })
})

describe('receiving stock', () => {
  it('adds what arrived, also at a new location', async () => {
    const id = await stocked(db, { main: 1 })
    const [answer] = await receiveStock(db, [receipt(id, 5), receipt(id, 2, 'north'), receipt(id, 3)])
    expect(await levels(db, id)).toEqual({ main: [9, 0], north: [2, 0] })
    expect(answer?.kind === 'done' && answer.value.stock).toEqual([
      { location_id: 'main', on_hand: 9, reserved: 0 },
      { location_id: 'north', on_hand: 2, reserved: 0 },
    ])
  })

  it('of the same receipt twice adds once: in one batch, in two, and in two at once', async () => {
    const id = await stocked(db, { main: 1 })
    const one = receipt(id, 5)
    expect((await receiveStock(db, [one, one])).map(codeOf)).toEqual(['done', 'done'])
    await receiveStock(db, [one])
    const two = receipt(id, 7)
    await Promise.all([receiveStock(db, [two]), receiveStock(other, [two])])
    expect(await levels(db, id)).toEqual({ main: [13, 0] })
  })

  it('for an unknown product is refused, stores nothing, and disturbs nobody', async () => {
    const id = await stocked(db, { main: 1 })
    const lost = receipt('nothing', 5)
    expect((await receiveStock(db, [lost, receipt(id, 1)])).map(codeOf)).toEqual(['unknown_product', 'done'])
    expect(await db.query(sql`select 1 from receipts where receipt_id = ${lost.receiptId}`)).toEqual([])
    expect(await levels(db, id)).toEqual({ main: [2, 0] })
  })

  it('races reserving without losing a unit or meeting a deadlock', async () => {
    const count = async () =>
      (await db.query<{ deadlocks: number }>(sql`select deadlocks from pg_stat_database where datname = current_database()`))[0]?.deadlocks
    const before = await count()
    // Ids and locations that sort differently in JavaScript and in most collations.
    const ids = [
      product({ a: 50, B: 50 }, { id: 'race-a' }),
      product({ a: 50, B: 50 }, { id: 'race-B' }),
      product({ a: 50, B: 50 }, { id: 'race' }),
    ]
    await createProducts(db, ids)
    const wanted = Object.fromEntries(ids.map(({ id }) => [id, 1]))
    for (let round = 0; round < 20; round++) {
      const receipts = ids.flatMap(({ id }) => [receipt(id, 1, 'a'), receipt(id, 1, 'B')])
      await Promise.all([reserveStock(db, [order(wanted)]), receiveStock(other, receipts), receiveStock(db, [receipt('race', 1, 'a')])])
    }
    for (const { id } of ids)
      expect(Object.values(await levels(db, id)).reduce((sum, [onHand]) => sum + onHand, 0)).toBe(140 + (id === 'race' ? 20 : 0))
    expect(await count()).toBe(before)
  }, 20_000)
})

describe('adjusting stock', () => {
  const count = (productId: string, onHand: number, expectedOnHand: number) => ({
    productId,
    locationId: 'main',
    onHand,
    expectedOnHand,
    reason: 'counted',
  })

  it('sets what was counted and tells the difference', async () => {
    const id = await stocked(db, { main: 10 })
    const answer = await adjustStock(db, count(id, 7, 10))
    expect(answer.kind === 'done' && answer.value.stock).toEqual([{ location_id: 'main', on_hand: 7, reserved: 0 }])
    expect(
      await db.query(sql`select kind, on_hand_delta, reason from movements where product_id = ${id} order by id desc limit 1`),
    ).toEqual([{ kind: 'adjusted', on_hand_delta: -3, reason: 'counted' }])
  })

  it('is refused when the stock has changed since the count, and changes nothing', async () => {
    const id = await stocked(db, { main: 10 })
    expect(codeOf(await adjustStock(db, count(id, 7, 9)))).toBe('stock_changed')
    expect(await levels(db, id)).toEqual({ main: [10, 0] })
  })

  it('of two at once lets one through', async () => {
    const id = await stocked(db, { main: 10 })
    const answers = await Promise.all([adjustStock(db, count(id, 7, 10)), adjustStock(other, count(id, 8, 10))])
    expect(answers.map(codeOf).sort()).toEqual(['done', 'stock_changed'])
  })

  it('below what is reserved is refused', async () => {
    const id = await stocked(db, { main: 10 })
    await reserveStock(db, [order({ [id]: 6 })])
    expect(codeOf(await adjustStock(db, count(id, 5, 10)))).toBe('below_reserved')
    expect(codeOf(await adjustStock(db, count(id, 6, 10)))).toBe('done')
    expect(await levels(db, id)).toEqual({ main: [6, 6] })
  })

  it('of an unknown product or location is refused', async () => {
    const id = await stocked(db, { north: 10 })
    expect(codeOf(await adjustStock(db, count('nothing', 1, 0)))).toBe('unknown_product')
    expect(codeOf(await adjustStock(db, count(id, 1, 0)))).toBe('unknown_location')
  })
})

describe('looking at products', () => {
  it('leaves out those that do not exist', async () => {
    const id = await stocked(db, {})
    const found = await getProducts(db, [id, 'nothing', id])
    expect([...found.keys()]).toEqual([id])
    expect(found.get(id)?.stock).toEqual([])
  })

  it('comes in pages by id, all or only those that are nearly gone', async () => {
    await createProducts(db, [
      product({ main: 5 }, { id: 'zz1' }),
      product({ main: 1, north: 1 }, { id: 'zz2' }),
      product({}, { id: 'zz3' }),
    ])
    const ids = async (over: Partial<Parameters<typeof listProducts>[1]>) =>
      (await listProducts(db, { after: 'zz', limit: 10, availableAtMost: -1, ...over })).map((row) => row.id)
    expect(await ids({})).toEqual(['zz1', 'zz2', 'zz3'])
    expect(await ids({ limit: 2 })).toEqual(['zz1', 'zz2'])
    expect(await ids({ after: 'zz2' })).toEqual(['zz3'])
    expect(await ids({ availableAtMost: 2 })).toEqual(['zz2', 'zz3'])
    expect(await ids({ availableAtMost: 0 })).toEqual(['zz3'])
  })
})
