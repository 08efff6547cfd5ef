import type { Config } from '../platform/config.ts'
import type { Log } from '../platform/log.ts'
import { ensureSchema } from '../platform/migrate.ts'
import { openDatabase, sql, sqlState } from '../platform/postgres.ts'
import type { Broker, QueueName } from './broker.ts'
import { atMost } from './deadline.ts'
import { HANDLER_TIMEOUT_MS } from './judge.ts'
import { encode } from './message.ts'
import { type PostgresConsumer, startPostgresConsumer } from './postgres-consumer.ts'
import * as store from './postgres-store.ts'

/**
 * The broker as two tables in a database of its own: nothing to install, and a published message is on disk. A consumer claims with a lease;
 * one that dies lets it run out. Within a process a publish wakes the consumers; other processes look every `pollMs`.
 */

const LEASE_MS = 15_000
const POLL_MS = 500
/** Messages in one statement. */
const MOST_AT_ONCE = 1_000

export type PostgresBrokerOptions = {
  databaseUrl: string
  log: Log
  /** Off: the tables are not made here, and a broker without them counts as down. */
  migrate?: Config['migrate']
  leaseMs?: number
  pollMs?: number
  handlerTimeoutMs?: number
}

/** Returns at once; tables are made in the background, and whatever is asked before they are waits for that, or fails with it. */
export function openPostgresBroker(options: PostgresBrokerOptions): Broker {
  const { databaseUrl, log, leaseMs = LEASE_MS, pollMs = POLL_MS, handlerTimeoutMs = HANDLER_TIMEOUT_MS } = options
  const db = openDatabase(databaseUrl, { max: 3, applicationName: 'comanda broker' })
  const run = withTables(databaseUrl, options.migrate ?? 'on')
  run(async () => {}).catch((error: Error) => log.warn({ error: error.message }, 'the broker is not there yet; tried again with each use'))
  const consumers: { queue: QueueName; consumer: PostgresConsumer }[] = []
  const wake = (queues: readonly QueueName[]) => {
    for (const { queue, consumer } of consumers) if (queues.includes(queue)) consumer.wake()
  }

  return {
    async publish(queue, messages) {
      const encoded = encode(messages)
      for (let from = 0; from < encoded.length; from += MOST_AT_ONCE) {
        await run(() => store.publish(db, queue, encoded.slice(from, from + MOST_AT_ONCE)))
        wake([queue])
      }
    },
    async consume(queue, handle, { maxInFlight, maxAttempts }) {
      const consumer = startPostgresConsumer({
        ...{ queue, handle, maxInFlight, maxAttempts, leaseMs, pollMs, handlerTimeoutMs, log },
        store: {
          claim: (claim, limit) => run(() => store.claim(db, { queue, claim, limit, maxAttempts, leaseMs })),
          renew: (claims) => store.renew(db, queue, { ...claims, leaseMs }),
          giveBack: (claim, ids) => store.giveBack(db, queue, { claim, ids }),
          settle: (claim, verdicts) => run(() => store.settle(db, queue, { claim, verdicts })),
        },
      })
      const known = { queue, consumer }
      consumers.push(known)
      return {
        ...consumer,
        async stop(ms) {
          await consumer.stop(ms)
          if (consumers.includes(known)) consumers.splice(consumers.indexOf(known), 1)
        },
      }
    },
    depth: () => run(() => store.depth(db)),
    dead: {
      list: (query) => run(() => store.listDead(db, query)),
      async requeue(keys) {
        const queues = await run(() => store.requeueDead(db, keys))
        wake(queues)
        return queues.length
      },
      discard: (keys) => run(() => store.discardDead(db, keys)),
    },
    isUp: () =>
      run(() => db.query(sql`select 1`)).then(
        () => true,
        () => false,
      ),
    async close(ms) {
      await Promise.all(consumers.map(({ consumer }) => consumer.stop(ms)))
      await atMost(ms, db.close())
    },
  }
}

/** No such table, or no such database: everything was deleted, or is not made yet. */
const NOTHING_THERE = ['42P01', '3D000', '3F000']
const DEADLOCK = '40P01'

/** Runs `work` when the tables are there, and makes them again when they are gone (unless MIGRATE is off): the broker is never the only copy. */
function withTables(databaseUrl: string, mode: Config['migrate']): <T>(work: () => Promise<T>) => Promise<T> {
  let made: Promise<unknown> | undefined
  const make = () => {
    made ??= ensureSchema('broker', databaseUrl, mode).catch((error: unknown) => {
      made = undefined
      throw error
    })
    return made
  }
  return async (work) => {
    await make()
    try {
      return await work()
    } catch (error) {
      const state = sqlState(error) ?? ''
      if (NOTHING_THERE.includes(state)) made = undefined
      else if (state !== DEADLOCK) throw error
      await make()
      return await work()
    }
  }
}
