import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import type { Config, DatabaseName } from './config.ts'

/** The folder of a database's migrations: that of the service that owns it. */
export const migrationsOf = (name: DatabaseName): string => new URL(`../${name}/migrations`, import.meta.url).pathname

/** The process may not change the schema (MIGRATE is off), and the schema is older than the process. */
export class SchemaBehindError extends Error {
  override name = 'SchemaBehindError'
}

/**
 * Makes sure, at a service's start, that the schema is there: runs what is missing, or only looks when MIGRATE is off. A schema that is
 * newer than the process is fine: migrations only ever add to what a running version needs.
 *
 * @throws {SchemaBehindError} when something is missing that may not be run from here.
 */
export async function ensureSchema(name: DatabaseName, url: string, mode: Config['migrate']): Promise<void> {
  if (mode === 'on') {
    await migrate(url, migrationsOf(name))
    return
  }
  const missing = await pendingMigrations(url, migrationsOf(name))
  if (missing.length === 0) return
  throw new SchemaBehindError(
    `the schema of ${name} is behind: ${missing.join(', ')} ${missing.length === 1 ? 'has' : 'have'} not run, and MIGRATE is off; run "comanda migrate ${name}" first`,
  )
}

/** Names of the migrations that a database has not seen yet, in order. Reads only. */
export async function pendingMigrations(url: string, folder: string): Promise<string[]> {
  return withClient(url, async (client) => {
    const [{ known } = { known: null }] = (await client.query(`select to_regclass('migrations') as known`)).rows
    const names = known ? await namesRun(client) : new Set()
    return (await migrationFiles(folder)).filter((file) => !names.has(file))
  })
}

/**
 * Applies the numbered files of a service's `migrations/` that its database has not seen yet, each in a transaction
 * that records the file's name first, so that two processes starting at once are told apart by the primary key.
 *
 * @returns names of the migrations that ran now.
 */
export async function migrate(url: string, folder: string): Promise<string[]> {
  const files = await migrationFiles(folder)
  return withClient(url, async (client) => {
    await client.query('select pg_advisory_lock(7236401)')
    await client.query('create table if not exists migrations (name text primary key, applied_at timestamptz not null default now())')
    const known = await namesRun(client)
    const ran: string[] = []
    await client.query(`select set_config('lock_timeout', $1, false)`, [String(LOCK_TIMEOUT_MS)])
    for (const name of files) {
      if (known.has(name)) continue
      await apply(client, name, await readFile(join(folder, name), 'utf8'))
      ran.push(name)
    }
    return ran
  })
}

/**
 * Whoever waits for a table's lock holds up all who come behind. While the system runs a migration waits briefly, lets the others through, and
 * tries again.
 */
const LOCK_TIMEOUT_MS = 3_000
const MAX_TRIES = 20
const BETWEEN_TRIES_MS = 1_000
const LOCK_NOT_AVAILABLE = '55P03'

async function apply(client: pg.Client, name: string, text: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query('begin')
      await client.query('insert into migrations (name) values ($1)', [name])
      await client.query(text)
      await client.query('commit')
      return
    } catch (error) {
      await client.query('rollback')
      const isLocked = (error as pg.DatabaseError).code === LOCK_NOT_AVAILABLE
      if (!isLocked || attempt >= MAX_TRIES) throw new Error(`migration ${name} failed: ${(error as Error).message}`, { cause: error })
      await pause(BETWEEN_TRIES_MS)
    }
  }
}

const migrationFiles = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => /^\d{4}_.+\.sql$/.test(name)).sort()

const namesRun = async (client: pg.Client): Promise<Set<string>> =>
  new Set((await client.query('select name from migrations')).rows.map((row) => row.name as string))

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'comanda migrate', connectionTimeoutMillis: 10_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
