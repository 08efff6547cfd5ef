import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Broker } from '../../src/broker/broker.ts'
import { openPostgresBroker } from '../../src/broker/postgres.ts'
import { newId } from '../../src/platform/ids.ts'
import { silentLog } from '../../src/platform/log.ts'
import { readOldestTransaction } from '../../src/platform/oldest-transaction.ts'
import { sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'

const SLOW = 240_000
const QUEUE = 'orders.parked.payment'
const BATCH = 500

let database: TestDatabase
let broker: Broker
let stranger: pg.Client
const taken = new Set<string>()

beforeAll(async () => {
  database = await testDatabase('broker')
  broker = openPostgresBroker({ databaseUrl: database.url, log: silentLog() })
  stranger = new pg.Client({ connectionString: database.url, application_name: 'a forgotten report' })
  await stranger.connect()
  await broker.consume(
    QUEUE,
    async (deliveries) => {
      for (const { id } of deliveries) taken.add(id)
      return deliveries.map(() => ({ do: 'ack' }))
    },
    { maxInFlight: BATCH, maxAttempts: 3 },
  )
}, SLOW)
afterAll(async () => {
  await stranger.end()
  await broker.close(1_000)
  await database.drop()
})

async function send(count: number): Promise<void> {
  const goal = taken.size + count
  for (let sent = 0; sent < count; sent += BATCH)
    await broker.publish(
      QUEUE,
      Array.from({ length: BATCH }, () => ({ id: newId(), body: { order_id: newId() } })),
    )
  await until(`${count} messages to be taken`, () => taken.size >= goal, 120)
}
/** Versions of rows that nobody but, perhaps, the stranger can see. */
const deadRows = async () => {
  const [{ dead } = { dead: 0 }] = await database.db.query<{ dead: number }>(sql`
    select n_dead_tup as dead from pg_stat_user_tables where relname = 'messages'`)
  return dead
}
const oldestSeconds = async () => (await readOldestTransaction(database.db))[0]?.value ?? 0

it(
  "a stranger's transaction that stays open holds up no message, is told as old, and what it kept is cleaned up when it ends",
  async () => {
    await stranger.query('begin isolation level repeatable read')
    await stranger.query('select count(*) from messages')
    await send(10_000)
    await until('the dead rows to be counted', async () => (await deadRows()) >= 10_000, 60)
    await database.db.query(sql`vacuum messages`)
    // Vacuum has been there, and could not clean.
    expect(await deadRows()).toBeGreaterThanOrEqual(10_000)
    expect(await oldestSeconds()).toBeGreaterThan(0)
    await send(5_000)

    await stranger.query('commit')
    await until('what has died to be cleaned up', async () => {
      await database.db.query(sql`vacuum messages`)
      return (await deadRows()) < 10_000
    })
  },
  SLOW,
)
