import { afterAll, beforeAll, expect, it } from 'vitest'
import { providerKey } from '../../src/payment/provider.ts'
import { movedPayments } from '../../src/payment/reconcile/books.ts'
import { newId } from '../../src/platform/ids.ts'
import { type Database, openDatabase, sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let database: TestDatabase
/** As on a server whose clocks are put back by an hour in autumn. */
let madrid: Database
beforeAll(async () => {
  database = await testDatabase('payment')
  madrid = openDatabase(database.url, { max: 2, settings: { TimeZone: 'Europe/Madrid' } })
})
afterAll(async () => {
  await madrid.close()
  await database.drop()
})

/** The pages of movements since `since`, as lists of order ids. */
async function pagesSince(db: Database, since: Date, limit: number): Promise<string[][]> {
  const pages: string[][] = []
  for (let after: string | null = null; ; ) {
    const page: Awaited<ReturnType<typeof movedPayments>> = await movedPayments(db, { since, after, limit })
    pages.push(page.keys)
    if (page.next === null) return pages
    after = page.next
  }
}

it('movements come page by page in the order of time, and none is left out when the clocks are put back', async () => {
  // 02:10, 02:50, and after the change again 02:05, 02:45 and 03:01 in Madrid.
  const times = ['00:10:00', '00:50:00', '01:05:00', '01:45:00.000001', '02:01:00'].map((time) => `2026-10-25T${time}Z`)
  const moved = times.map((at) => ({ order_id: newId(), at }))
  for (const { order_id, at } of moved.toReversed()) {
    await madrid.query(sql`
      insert into money_movements (order_id, kind, amount_minor, currency, at) values (${order_id}, 'authorised', 1, 'EUR', ${at}::timestamptz)`)
  }
  const expected = moved.map(({ order_id }) => [providerKey.authorise(order_id)])
  // A full page may be the last: the empty one after it tells.
  expect(await pagesSince(madrid, new Date('2026-10-25T00:00:00Z'), 1)).toEqual([...expected, []])
  expect(await pagesSince(madrid, new Date('2026-10-25T00:00:00Z'), 500)).toEqual([expected.flat()])
  expect(await pagesSince(madrid, new Date('2026-10-25T01:00:00Z'), 500)).toEqual([expected.slice(2).flat()])
})

it('a page is a range of the index: nothing is sorted, however many movements there are', async () => {
  const asked: { text: string }[] = []
  const listening: Database = {
    ...madrid,
    query: (statement) => {
      asked.push(statement)
      return madrid.query(statement)
    },
  }
  await movedPayments(listening, { since: new Date(), after: null, limit: 1 })
  const plan = await madrid.query<Record<string, string>>({ name: '', text: `explain (generic_plan) ${asked[0]?.text}`, values: [] })
  const lines = plan.flatMap((row) => Object.values(row)).join('\n')
  expect(lines).toContain('using money_movements_at')
  expect(lines).not.toContain('Sort')
})
