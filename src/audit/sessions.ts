import pg from 'pg'
import { OWNERS, type OwnerName } from '../platform/config.ts'
import '../platform/postgres.ts' // bigint columns arrive as numbers

export type Urls = Record<OwnerName, string>
/** One connection per database, kept for the whole audit: temporary tables and snapshots live in a session. */
export type Sessions = Record<OwnerName, pg.Client>

/** The audit could not run: nothing is said about the promises. */
export class AuditError extends Error {
  override name = 'AuditError'
}

// Sorts and joins over all orders: in memory where they fit; compiling the queries costs more than it gains.
const SETTINGS = '-c work_mem=64MB -c jit=off -c statement_timeout=300000'

/** @throws {AuditError} naming the database that can't be reached. */
export async function openSessions(urls: Urls): Promise<Sessions> {
  const opened: pg.Client[] = []
  try {
    const entries = await Promise.all(
      OWNERS.map(async (owner) => {
        const client = new pg.Client({
          connectionString: urls[owner],
          application_name: 'comanda audit',
          connectionTimeoutMillis: 5_000,
          options: SETTINGS,
          pipeline: true,
        } as pg.ClientConfig)
        client.on('error', () => {}) // a lost connection fails the query that runs on it
        opened.push(client)
        await client.connect().catch((error: Error) => {
          throw new AuditError(`the database of ${owner} can't be reached: ${error.message || (error as NodeJS.ErrnoException).code}`, {
            cause: error,
          })
        })
        return [owner, client] as const
      }),
    )
    return Object.fromEntries(entries) as Sessions
  } catch (error) {
    await Promise.allSettled(opened.map((client) => client.end()))
    throw error
  }
}

export async function closeSessions(sessions: Sessions): Promise<void> {
  await Promise.allSettled(Object.values(sessions).map((client) => client.end()))
}

/** From here on a session sees one moment of its database, and can't write to it (temporary tables excepted). */
export async function freeze(client: pg.Client): Promise<void> {
  await client.query('begin transaction isolation level repeatable read read only')
}
