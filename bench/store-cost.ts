import pg from 'pg'
import { embeddedUrls } from '../src/platform/embedded-postgres.ts'
import type { System } from '../test/support/system.ts'
import { until } from '../test/support/until.ts'

/** What PostgreSQL itself counts of the work of a system's whole server. */
export type Counters = Record<string, number>

/** One statement on the system's server, in the database of orders. */
export async function ask<T>(system: System, text: string): Promise<T[]> {
  const urls = (await embeddedUrls(String(system.env.DATA_DIR))) ?? {}
  const client = new pg.Client({ connectionString: urls.orders ?? '' })
  await client.connect()
  try {
    return (await client.query(text)).rows as T[]
  } finally {
    await client.end()
  }
}

export async function ordersIn(system: System): Promise<number> {
  return Number((await ask<{ count: string }>(system, 'select count(*) from orders'))[0]?.count)
}

/** Since the server was made. Backends tell what they did within a second of being idle. */
export async function count(system: System): Promise<Counters> {
  const [found] = await ask<Counters>(
    system,
    `select wal_records::float8 as "WAL records", wal_bytes::float8 / 1024 as "WAL KB", wal_fpi::float8 as "whole pages in the WAL", blks_read as "blocks read",
       blks_hit as "blocks found in shared buffers", written as "blocks written"
     from pg_stat_wal, (select sum(blks_read)::float8 as blks_read, sum(blks_hit)::float8 as blks_hit from pg_stat_database) as of_databases,
       (select sum(writes)::float8 as written from pg_stat_io where object = 'relation') as of_all`,
  )
  return found ?? {}
}

export const perOrder = (counted: Counters, orders: number): Record<string, string> =>
  Object.fromEntries(Object.entries(counted).map(([name, value]) => [name, (value / orders).toFixed(2)]))

/** Until what was written lies on the disk, and no table is being vacuumed. */
export async function settle(system: System, tell: (what: string) => void): Promise<void> {
  const QUIET_LOOKS = 100
  tell('until the vacuums have ended, and all is on the disk')
  let quiet = 0
  await until(
    'vacuums to end',
    async () => {
      const [vacuums] = await ask<{ count: string }>(system, 'select count(*) from pg_stat_progress_vacuum')
      quiet = Number(vacuums?.count) > 0 ? 0 : quiet + 1
      return quiet >= QUIET_LOOKS
    },
    3_600,
  )
  await ask(system, 'checkpoint')
}
