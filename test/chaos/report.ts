import Table from 'cli-table3'
import type { Written } from './journal.ts'
import type { Instance } from './keeper.ts'
import type { Deed } from './nemesis.ts'
import type { Row } from './verdict.ts'

/** The tables at the end: what was done to the system, and what became of the orders. */

export function drawHarm(deeds: readonly Deed[], swallowed: ReadonlyMap<string, number>): string {
  const services = [...new Set(deeds.map(({ target }) => serviceOf(target)))].sort()
  const kinds = [...new Set(deeds.map(({ kind }) => kind))].filter((kind) => kind !== 'swallow commit').sort()
  const table = new Table({
    head: ['harm', ...services, 'all'],
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: [] },
  })
  const row = (name: string, of: (service: string) => number) => {
    const numbers = services.map(of)
    table.push([name, ...numbers.map((n) => n || ''), numbers.reduce((sum, n) => sum + n, 0)])
  }
  for (const kind of kinds) row(kind, (service) => deeds.filter((deed) => deed.kind === kind && serviceOf(deed.target) === service).length)
  for (const what of ['commit', 'single statement']) {
    row(`reply of a ${what} swallowed`, (service) =>
      [...swallowed].filter(([name]) => name.endsWith(` ${what}`) && serviceOf(name) === service).reduce((sum, [, n]) => sum + n, 0),
    )
  }
  return table.toString()
}

const serviceOf = (target: string): string => target.replace(/-\d.*$/, '')

export function drawOrders({
  orders,
  journal,
  tookMs,
}: {
  orders: readonly Row[]
  journal: readonly Written[]
  tookMs: readonly number[]
}) {
  const byStatus = Map.groupBy(orders, ({ status }) => status)
  const outcomes = [...byStatus].sort(([a], [b]) => (a < b ? -1 : 1)).map(([status, list]) => `${list.length} ${status}`)
  const sends = journal.filter(({ kind }) => kind === 'sends').length
  const silent = journal.filter(({ kind }) => kind === 'not answered').length
  const table = new Table({ chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' }, style: { head: [], border: [] } })
  table.push(
    ['orders', `${orders.length}: ${outcomes.join(', ')}`],
    ['requests for them', `${sends}, of which ${silent} had no answer, or one that said "later"`],
    [
      'from the first sending to the end',
      `p50 ${seconds(share(tookMs, 0.5))}, p99 ${seconds(share(tookMs, 0.99))}, most ${seconds(share(tookMs, 1))}`,
    ],
    ['longest time without any order taken', seconds(writeGapMs(journal))],
  )
  return table.toString()
}

/** The longest time between two answers that took an order. */
export function writeGapMs(journal: readonly Written[]): number {
  const taken = journal.flatMap((entry) => (entry.kind === 'answered' && entry.status < 300 ? [entry.until] : [])).sort((a, b) => a - b)
  return taken.reduce((gap, at, i) => Math.max(gap, at - (taken[i - 1] ?? at)), 0)
}

export const seconds = (ms: number) => `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`

/** The value below which `part` of them lie. */
export function share(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0
}

export function ownDeaths(instances: readonly Instance[]): string[] {
  return instances.flatMap(({ name, ownDeaths }) => ownDeaths.map((words) => `${name}: ${words}`))
}
