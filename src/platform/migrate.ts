import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'

/**
 * Applies the numbered files of a service's `migrations/` that its database has not seen yet, each in a transaction
 * that records the file's name first, so that two processes starting at once are told apart by the primary key.
 *
 * @returns names of the migrations that ran now.
 */
export async function migrate(url: string, folder: string): Promise<string[]> {
  const files = (await readdir(folder)).filter((name) => /^\d{4}_.+\.sql$/.test(name)).sort()
  const client = new pg.Client({ connectionString: url, application_name: 'comanda migrate', connectionTimeoutMillis: 10_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query('select pg_advisory_lock(7236401)')
    await client.query('create table if not exists migrations (name text primary key, applied_at timestamptz not null default now())')
    const known = new Set((await client.query('select name from migrations')).rows.map((row) => row.name as string))
    const ran: string[] = []
    for (const name of files) {
      if (known.has(name)) continue
      const text = await readFile(join(folder, name), 'utf8')
      try {
        await client.query('begin')
        await client.query('insert into migrations (name) values ($1)', [name])
        await client.query(text)
        await client.query('commit')
      } catch (error) {
        await client.query('rollback')
        throw new Error(`migration ${name} failed: ${(error as Error).message}`, { cause: error })
      }
      ran.push(name)
    }
    return ran
  } finally {
    await client.end()
  }
}
