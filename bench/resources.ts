import { readdirSync, readFileSync } from 'node:fs'
import type { System } from '../test/support/system.ts'
import { ask } from './store-cost.ts'

/** What a stretch of work has cost, by /proc and PostgreSQL's own counters. */
export type Resources = { cpuSeconds: Record<string, number>; walBytes: number; tableBytes: number }

/** Of a second, as Linux counts CPU time. */
const TICK = 100

export async function resources(system: System): Promise<Resources> {
  const [found] = await ask<{ wal: number; tables: number }>(
    system,
    `select (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8 as wal,
       (select sum(pg_database_size(datname))::float8 from pg_database where datname !~ '^(template|monolith)') as tables`,
  )
  const { wal, tables } = found ?? { wal: 0, tables: 0 }
  return { cpuSeconds: cpuSeconds(system.pids()), walBytes: wal, tableBytes: tables }
}

export function spent(before: Resources, after: Resources, orders: number): Record<string, number> {
  const perThousand = Object.entries(after.cpuSeconds).map(
    ([name, seconds]) => [`CPU s per 1,000 orders: ${name}`, round(((seconds - (before.cpuSeconds[name] ?? 0)) * 1_000) / orders)] as const,
  )
  return {
    ...Object.fromEntries(perThousand),
    'WAL bytes per order': Math.round((after.walBytes - before.walBytes) / orders),
    'table and index bytes per order': Math.round((after.tableBytes - before.tableBytes) / orders),
  }
}

const round = (value: number) => Math.round(value * 100) / 100

/** By service; `postgres` is all its processes together, `load` this one. */
function cpuSeconds(pids: Record<string, number>): Record<string, number> {
  const byPid = new Map(Object.entries(pids).map(([name, pid]) => [pid, name]))
  byPid.set(process.pid, 'load')
  const sums: Record<string, number> = {}
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const isPostgres = stat.includes('(postgres)')
      const name = isPostgres ? 'postgres' : byPid.get(Number(pid))
      if (!name) continue
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      // Of PostgreSQL also what its ended children (autovacuum) have used, which only the parent counts.
      const used = [11, 12, ...(isPostgres ? [13, 14] : [])].reduce((sum, at) => sum + Number(fields[at]), 0)
      sums[name] = (sums[name] ?? 0) + used / TICK
    } catch {} // ended meanwhile
  }
  return sums
}
