import { meter, type Reading } from './metrics.ts'
import { readOldestTransaction } from './oldest-transaction.ts'
import { type Database, openDatabase } from './postgres.ts'

/** Reads gauges from a database for whoever scrapes. */
export type DatabaseWatch = { close(): Promise<void> }

/** Each reading is a query with the columns metric, labels (jsonb) and value (float8). */
type DatabaseReadings = Record<string, { read: (db: Database) => Promise<Reading[]>; everyMs?: number }>

/** Whoever waits for the scrape has gone by then. */
const STATEMENT_MS = 5_000

/**
 * Over a connection of its own, so that a scrape never takes one from an order; one reading at a time. Its plans may look through a whole table where that
 * is the cheapest: that is what a count is. Does nothing while metrics are off.
 */
export function watchDatabase(databaseUrl: string, readings: DatabaseReadings): DatabaseWatch {
  const to = meter()
  if (!to) return { close: async () => {} }
  const settings = { enable_seqscan: 'on', enable_hashjoin: 'on' }
  const db = openDatabase(databaseUrl, {
    max: 1,
    applicationName: 'comanda metrics',
    settings,
    statementMs: STATEMENT_MS,
    isMeasured: false,
  })
  const ends = Object.entries({ transactions: { read: readOldestTransaction }, ...readings }).map(([name, { read, ...options }]) =>
    to.watch(name, () => read(db), options),
  )
  return {
    close() {
      for (const end of ends) end()
      return db.close()
    },
  }
}
