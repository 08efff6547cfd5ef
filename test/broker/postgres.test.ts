import { randomUUID } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Broker } from '../../src/broker/broker.ts'
import { openPostgresBroker } from '../../src/broker/postgres.ts'
import * as store from '../../src/broker/postgres-store.ts'
import { embeddedUrls, startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts'
import { newId } from '../../src/platform/ids.ts'
import { silentLog } from '../../src/platform/log.ts'
import { type Database, openDatabase, sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { temporaryFolder } from '../support/folder.ts'
import { until } from '../support/until.ts'
import type { BrokerServer } from './contract/bench.ts'
import { brokerContract } from './contract.ts'

const LEASE_MS = 2_500
/** Dead rows that autovacuum leaves lying: its threshold for the table of messages. */
const MOST_DEAD = 2_000

brokerContract('PostgreSQL', async (): Promise<BrokerServer> => {
  const dataDir = temporaryFolder('broker')
  const port = 17_000 + Math.floor(Math.random() * 1_000)
  const start = (databases: string[]) => startEmbeddedPostgres({ dataDir, port, databases })
  let server = await start(['broker'])
  const url = server.urls.broker ?? ''
  const db = openDatabase(url, { max: 1 })
  const again = async () => {
    server = await start(['broker'])
    expect(server.urls.broker).toBe(url)
  }
  return {
    open: () => openPostgresBroker({ databaseUrl: url, log: silentLog(), leaseMs: LEASE_MS, pollMs: 100 }),
    settings: () => ({ BROKER_URL: 'postgres', BROKER_DATABASE_URL: url, LEASE_MS: String(LEASE_MS) }),
    async empty() {
      await db.query(sql`truncate messages, dead_letters`)
    },
    stop: () => server.stop(),
    async kill() {
      process.kill(Number(readFileSync(join(server.folder, 'postmaster.pid'), 'utf8').split('\n')[0]), 'SIGKILL')
      await until('the server to be gone', async () => (await embeddedUrls(dataDir)) === undefined)
    },
    start: again,
    async loseEverything() {
      const admin = openDatabase(url.replace(/broker$/, 'postgres'), { max: 1 })
      await admin.query(sql`drop database broker with (force)`)
      await admin.close()
      await again()
    },
    async close() {
      await db.close()
      await server.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
})

describe('the broker in PostgreSQL', () => {
  let database: TestDatabase
  let broker: Broker
  let db: Database
  beforeAll(async () => {
    database = await testDatabase('broker')
    db = database.db
    broker = openPostgresBroker({ databaseUrl: database.url, log: silentLog() })
  })
  afterAll(async () => {
    await broker.close(1_000)
    await database.drop()
  })

  it('keeps a message once, however often it is published, while it waits', async () => {
    const message = { id: newId(), body: 1 }
    await Promise.all(Array.from({ length: 5 }, () => broker.publish('orders.facts', [message, message])))
    expect(await db.query(sql`select id, body from messages`)).toEqual([message])
    await db.query(sql`truncate messages`)
  })

  it('lets a consumer whose lease ran out change nothing of what another has taken since', async () => {
    const queue = 'orders.facts'
    const [sleeper, other] = [randomUUID(), randomUUID()]
    const claim = (by: string, leaseMs: number) => store.claim(db, { queue, claim: by, limit: 1, maxAttempts: 9, leaseMs })
    for (const verdict of [{ do: 'ack' }, { do: 'dead', error: 'x' }, { do: 'retry', afterMs: 0, error: 'x' }] as const) {
      await broker.publish(queue, [{ id: 'one', body: 1 }])
      expect((await claim(sleeper, 0)).deliveries).toMatchObject([{ id: 'one', attempt: 1 }])
      expect((await claim(other, 60_000)).deliveries).toMatchObject([{ id: 'one', attempt: 2 }])
      await store.settle(db, queue, { claim: sleeper, verdicts: [{ id: 'one', ...verdict }] })
      await store.renew(db, queue, { ids: ['one'], claims: [sleeper], leaseMs: 0 })
      await store.giveBack(db, queue, { ids: ['one'], claim: sleeper })
      expect(await broker.depth()).toContainEqual({ queue, ready: 0, delayed: 0, inFlight: 1, dead: 0 })
      await store.settle(db, queue, { claim: other, verdicts: [{ id: 'one', do: 'ack' }] })
      expect(await broker.depth()).toContainEqual({ queue, ready: 0, delayed: 0, inFlight: 0, dead: 0 })
    }
  })

  it('keeps the lease of a handler that takes its time', { timeout: 60_000 }, async () => {
    const queue = 'orders.facts'
    const quick = openPostgresBroker({ databaseUrl: database.url, log: silentLog(), leaseMs: 5_000, pollMs: 50 })
    const gate = Promise.withResolvers<void>()
    const attempts: number[] = []
    const consumer = await quick.consume(
      queue,
      async (deliveries) => {
        attempts.push(...deliveries.map(({ attempt }) => attempt))
        await gate.promise
        return deliveries.map(() => ({ do: 'ack' }))
      },
      { maxInFlight: 5, maxAttempts: 3 },
    )
    await quick.publish(queue, [{ id: 'slow', body: 1 }])
    await until('it to be in hand', () => attempts.length === 1)
    const start = performance.now()
    await until('three leases to pass', () => performance.now() - start > 15_000)
    gate.resolve()
    await until('it to be done with', async () => (await db.query(sql`select 1 from messages where queue = ${queue}`)).length === 0)
    expect(attempts).toEqual([1])
    await consumer.stop(1_000)
    await quick.close(1_000)
  })

  it('stays small while messages go through: what they leave behind is cleaned up', async () => {
    const queue = 'orders.parked.inventory'
    let taken = 0
    await broker.consume(
      queue,
      async (deliveries) => {
        taken += deliveries.length
        return deliveries.map(() => ({ do: 'ack' }))
      },
      { maxInFlight: 500, maxAttempts: 3 },
    )
    const push = async (batches: number) => {
      for (let batch = 0; batch < batches; batch++)
        await broker.publish(
          queue,
          Array.from({ length: 500 }, () => ({ id: newId(), body: { order_id: newId(), reason: 'payment does not answer' } })),
        )
    }
    const told = async () => {
      const [found] = await db.query<{ vacuums: number; deleted: number; dead: number }>(sql`
        select autovacuum_count as vacuums, n_tup_del as deleted, n_dead_tup as dead from pg_stat_user_tables where relname = 'messages'`)
      return found ?? { vacuums: 0, deleted: 0, dead: 0 }
    }
    const before = await told()
    await push(50)
    await until('the first half', () => taken === 25_000)
    // Perhaps in the middle of the first half, and again after it when much was left.
    const isClean = async () => {
      const { vacuums, deleted, dead } = await told()
      return vacuums > before.vacuums && deleted - before.deleted >= 25_000 && dead <= MOST_DEAD
    }
    await until('vacuum to come by itself', isClean, 90)
    await push(50)
    await until('the second half', () => taken === 50_000)
    const [size] = await db.query<{ heap: number; indexes: number }>(sql`
      select pg_table_size('messages') as heap, pg_indexes_size('messages') as indexes`)
    expect(size?.heap).toBeLessThan(20_000_000)
    expect(size?.indexes).toBeLessThan(20_000_000)
  }, 180_000)
})
