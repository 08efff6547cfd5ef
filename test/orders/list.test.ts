import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newOrder } from '../../src/orders/messages.ts'
import { confirm, type Order } from '../../src/orders/order.ts'
import * as store from '../../src/orders/store.ts'
import { type Database, sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aCommand } from './examples.ts'

const LEASE_MS = 60_000
let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await testDatabase('orders')
  db = database.db
})
afterAll(() => database.drop())

async function accepted(userId: string): Promise<Order> {
  const order = newOrder(aCommand({ userId }))
  await store.acceptOrders(db, [order], LEASE_MS)
  return (await store.getOrders(db, [order.id])).get(order.id) as Order
}

describe('listing orders', () => {
  it('finds by user, status and time, newest first, page by page', async () => {
    const userId = 'lister'
    const [a, b, c] = [await accepted(userId), await accepted(userId), await accepted(userId)]
    for (let n = 0; n < 10; n++) await accepted('another')
    await store.saveChanges(db, [confirm(b, [])], LEASE_MS)
    const ids = async (over: Partial<store.OrderQuery>) =>
      (await store.listOrders(db, { userId, status: '', from: undefined, to: undefined, before: '', limit: 10, ...over })).map(
        (order) => order.id,
      )
    expect(await ids({})).toEqual([c.id, b.id, a.id])
    expect(await ids({ limit: 2 })).toEqual([c.id, b.id])
    expect(await ids({ before: b.id })).toEqual([a.id])
    expect(await ids({ status: 'confirmed' })).toEqual([b.id])
    expect(await ids({ from: b.created_at })).toContain(c.id)
    expect(await ids({ to: a.created_at })).toEqual([])
    expect(await ids({ userId: 'nobody' })).toEqual([])
    expect((await ids({ userId: '' })).length).toBe(10)
    expect(await ids({ userId: '', from: a.created_at, before: b.id })).toEqual([a.id])
    expect(await ids({ from: new Date('+275760-09-13T00:00:00Z') })).toEqual([])
    expect(await ids({ to: new Date('0001-01-01T00:00:00Z') })).toEqual([])
  })

  it('of one user, or of a time long ago, reads those and not all that came after', async () => {
    const [userId, old] = ['rare', '01800000-0000-7000-8000-000000000000']
    await db.query(sql`
      insert into orders (id, user_id, status, items, payment_method, shipping_method, created_at)
      values (${old}, ${userId}, 'confirmed', '[]', 'paypal', 'standard', to_timestamp(x'018000000000'::bigint / 1000.0))`)
    for (let n = 0; n < 5; n++)
      await store.acceptOrders(
        db,
        Array.from({ length: 200 }, () => newOrder(aCommand())),
        LEASE_MS,
      )
    await db.query(sql`analyze orders`)
    const all = { status: '', before: '', limit: 50 } as const
    const ofUser = await rowsRead((tx) => store.listOrders(tx, { ...all, userId, from: undefined, to: undefined }))
    const ofThen = await rowsRead((tx) => store.listOrders(tx, { ...all, userId: '', from: undefined, to: new Date('2022-06-01') }))
    expect([ofUser.found, ofThen.found]).toEqual([[old], [old]])
    expect([ofUser.read, ofThen.read]).toEqual([1, 1])
  })
})

/** How many rows of orders PostgreSQL read for it. */
function rowsRead(list: (tx: Database) => Promise<Order[]>): Promise<{ found: string[]; read: number }> {
  return db.transaction(async (tx) => {
    const read = async () =>
      (
        await tx.query<{ n: number }>(
          sql`select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint as n from pg_stat_xact_user_tables where relname = 'orders'`,
        )
      )[0]?.n ?? 0
    const before = await read()
    const found = (await list(tx as unknown as Database)).map((order) => order.id)
    return { found, read: (await read()) - before }
  })
}
