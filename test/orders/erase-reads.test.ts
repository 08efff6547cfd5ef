import { afterAll, beforeAll, expect, it } from 'vitest'
import * as store from '../../src/orders/erase-store.ts'
import { type Database, sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

/** What erasing reads of a table that is full of the orders of others. */

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await testDatabase('orders')
  db = database.db
  await db.query(sql`
    insert into orders (id, user_id, status, items, payment_method, shipping_method)
    select gen_random_uuid(), case when n % 500 = 0 then 'rare' else 'u' || n % 1000 end, 'delivered', '[]', 'paypal', 'standard' from generate_series(1, 5000) n`)
  await db.query(sql`analyze orders`)
})
afterAll(() => database.drop())

const FIRST = '00000000-0000-0000-0000-000000000000'
const whose = { userId: 'rare', before: undefined, idleMs: 0 }

it.each([
  ['a page that can be erased', (tx: Database) => store.listErasable(tx, { ...whose, after: FIRST, limit: 500 })],
  ['how many are left', (tx: Database) => store.countLeft(tx, whose)],
])('%s: the orders of the user, and no others', async (_what, ask) => {
  expect(await rowsRead(ask)).toBe(10)
})

it('a small page of many: no more than the page', async () => {
  expect(await rowsRead((tx) => store.listErasable(tx, { ...whose, after: FIRST, limit: 3 }))).toBe(3)
})

/** How many rows of orders PostgreSQL read for it. */
function rowsRead(ask: (tx: Database) => Promise<unknown>): Promise<number> {
  return db.transaction(async (tx) => {
    const read = async () =>
      (
        await tx.query<{ n: number }>(
          sql`select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint as n from pg_stat_xact_user_tables where relname = 'orders'`,
        )
      )[0]?.n ?? 0
    const before = await read()
    await ask(tx as unknown as Database)
    return (await read()) - before
  })
}
