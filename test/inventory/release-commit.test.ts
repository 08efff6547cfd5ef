import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { commitStock, releaseStock, reserveStock } from '../../src/inventory/store.ts'
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

/** An order that holds these quantities of one new product. */
async function holding(stock: Record<string, number>, quantity: number) {
  const productId = await stocked(db, stock)
  const wanted = order({ [productId]: quantity })
  expect(codeOf((await reserveStock(db, [wanted]))[0])).toBe('done')
  return { productId, wanted, orderId: wanted.orderId }
}

describe('releasing stock', () => {
  it('gives back what the order held, and a late reserve is refused', async () => {
    const { productId, wanted, orderId } = await holding({ main: 2, north: 2 }, 3)
    expect(await releaseStock(db, [orderId])).toEqual([{ kind: 'done', value: null }])
    expect(await levels(db, productId)).toEqual({ main: [2, 0], north: [2, 0] })
    expect(codeOf((await reserveStock(db, [wanted]))[0])).toBe('order_released')
    expect(await levels(db, productId)).toEqual({ main: [2, 0], north: [2, 0] })
  })

  it('twice gives back once, in one batch and in two', async () => {
    const { productId, orderId } = await holding({ main: 5 }, 3)
    const stays = order({ [productId]: 1 })
    await reserveStock(db, [stays])
    expect((await releaseStock(db, [orderId, orderId])).map(codeOf)).toEqual(['done', 'done'])
    expect((await Promise.all([releaseStock(db, [orderId]), releaseStock(other, [orderId])])).flat().map(codeOf)).toEqual(['done', 'done'])
    expect(await levels(db, productId)).toEqual({ main: [5, 1] })
  })

  it('before the reserve came leaves a tombstone: the late reserve is refused', async () => {
    const productId = await stocked(db, { main: 5 })
    const wanted = order({ [productId]: 1 })
    expect((await releaseStock(db, [wanted.orderId, wanted.orderId])).map(codeOf)).toEqual(['done', 'done'])
    expect(codeOf((await releaseStock(db, [wanted.orderId]))[0])).toBe('done')
    expect(codeOf((await reserveStock(db, [wanted]))[0])).toBe('order_released')
    expect(await levels(db, productId)).toEqual({ main: [5, 0] })
  })

  it('of a refused order does nothing, and its answer stays', async () => {
    const productId = await stocked(db, { main: 1 })
    const wanted = order({ [productId]: 2 })
    await reserveStock(db, [wanted])
    expect(codeOf((await releaseStock(db, [wanted.orderId]))[0])).toBe('done')
    expect(codeOf((await reserveStock(db, [wanted]))[0])).toBe('out_of_stock')
  })

  it('that races the reserve of the same order never leaves stock held', async () => {
    for (let round = 0; round < 40; round++) {
      const productId = await stocked(db, { main: 5 })
      const wanted = order({ [productId]: 2 })
      const calls = [() => reserveStock(db, [wanted]), () => releaseStock(other, [wanted.orderId])]
      const answers = await Promise.all((round % 2 ? calls : calls.reverse()).map((call) => call()))
      expect(
        answers
          .flat()
          .map(codeOf)
          .every((code) => code === 'done' || code === 'order_released'),
      ).toBe(true)
      expect(await levels(db, productId)).toEqual({ main: [5, 0] })
    }
  })

  it('of held and of unseen orders in one batch never deadlocks with the reserve of the unseen ones', async () => {
    const count = async () =>
      (await db.query<{ deadlocks: number }>(sql`select deadlocks from pg_stat_database where datname = current_database()`))[0]?.deadlocks
    const before = await count()
    const productId = await stocked(db, { main: 1000 })
    for (let round = 0; round < 40; round++) {
      // Every other time there is no held order in the batch, so nothing but the order of the new keys keeps the two apart.
      const held = Array.from({ length: (round % 2) * 2 }, () => order({ [productId]: 1 }))
      const late = Array.from({ length: 12 }, () => order({ [productId]: 1 }))
      if (held.length > 0) await reserveStock(db, held)
      await Promise.all([
        releaseStock(
          db,
          [...held, ...late].map((command) => command.orderId),
        ),
        reserveStock(other, [...late].reverse()),
      ])
    }
    expect(await levels(db, productId)).toEqual({ main: [1000, 0] })
    expect(await count()).toBe(before)
  }, 30_000)
})

describe('committing stock', () => {
  it('takes the goods of one location out, and the rest when they leave', async () => {
    const { productId, wanted, orderId } = await holding({ main: 2, north: 2 }, 3)
    expect(codeOf((await commitStock(db, [{ orderId, locationIds: ['main'] }]))[0])).toBe('done')
    expect(await levels(db, productId)).toEqual({ main: [0, 0], north: [2, 1] })
    expect(codeOf((await commitStock(db, [{ orderId, locationIds: ['north'] }]))[0])).toBe('done')
    expect(await levels(db, productId)).toEqual({ main: [0, 0], north: [1, 0] })
    expect(codeOf((await reserveStock(db, [wanted]))[0])).toBe('done')
  })

  it('twice takes out once, in one batch and in two at once', async () => {
    const { productId, orderId } = await holding({ main: 5 }, 2)
    const command = { orderId, locationIds: ['main'] }
    expect((await commitStock(db, [command, command])).map(codeOf)).toEqual(['done', 'done'])
    await Promise.all([commitStock(db, [command]), commitStock(other, [command])])
    expect(await levels(db, productId)).toEqual({ main: [3, 0] })
  })

  it('of one location again, while the other still holds, takes nothing more', async () => {
    const { productId, orderId } = await holding({ main: 2, north: 2 }, 3)
    const command = { orderId, locationIds: ['main'] }
    await commitStock(db, [command])
    await commitStock(db, [command])
    await Promise.all([commitStock(db, [command]), commitStock(other, [command])])
    expect(await levels(db, productId)).toEqual({ main: [0, 0], north: [2, 1] })
  })

  it('at both locations in one batch takes out both', async () => {
    const { productId, orderId } = await holding({ main: 2, north: 2 }, 4)
    expect(
      (
        await commitStock(db, [
          { orderId, locationIds: ['main'] },
          { orderId, locationIds: ['north'] },
        ])
      ).map(codeOf),
    ).toEqual(['done', 'done'])
    expect(await levels(db, productId)).toEqual({ main: [0, 0], north: [0, 0] })
  })

  it('at a location that holds nothing of the order changes nothing', async () => {
    const { productId, orderId } = await holding({ main: 5 }, 2)
    await commitStock(db, [{ orderId, locationIds: ['elsewhere'] }])
    expect(await levels(db, productId)).toEqual({ main: [5, 2] })
    expect(codeOf((await releaseStock(db, [orderId]))[0])).toBe('done')
  })

  it('makes a later release a refusal, also when only a part has left', async () => {
    const { productId, orderId } = await holding({ main: 2, north: 2 }, 3)
    await commitStock(db, [{ orderId, locationIds: ['main'] }])
    expect(codeOf((await releaseStock(db, [orderId]))[0])).toBe('stock_committed')
    await commitStock(db, [{ orderId, locationIds: ['north'] }])
    expect(codeOf((await releaseStock(db, [orderId]))[0])).toBe('stock_committed')
    expect(await levels(db, productId)).toEqual({ main: [0, 0], north: [1, 0] })
  })

  it('of an order that holds nothing is refused', async () => {
    const { orderId } = await holding({ main: 2 }, 1)
    await releaseStock(db, [orderId])
    const answers = await commitStock(db, [
      { orderId, locationIds: ['main'] },
      { orderId: randomUUID(), locationIds: ['main'] },
    ])
    expect(answers.map(codeOf)).toEqual(['nothing_reserved', 'nothing_reserved'])
  })

  it('that races a release lets exactly one of them win', async () => {
    for (let round = 0; round < 30; round++) {
      const { productId, orderId } = await holding({ main: 5 }, 2)
      const [committed, released] = await Promise.all([
        commitStock(db, [{ orderId, locationIds: ['main'] }]),
        releaseStock(other, [orderId]),
      ])
      const codes = [codeOf(committed[0]), codeOf(released[0])]
      expect([
        ['done', 'stock_committed'],
        ['nothing_reserved', 'done'],
      ]).toContainEqual(codes)
      expect(await levels(db, productId)).toEqual({ main: codes[0] === 'done' ? [3, 0] : [5, 0] })
    }
  })
})
