import { type Cell, count, duration, table } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import type { Ending } from './send.ts'
import type { Summary } from './tally.ts'

export type Run = { summary: Summary; ending: Ending; sendingMs: number; totalMs: number; answered: number }

/** The table at the end of a batch. */
export function resultTable(terminal: Terminal, { summary, sendingMs, totalMs, answered }: Run): string {
  const { green, yellow, red, dim } = terminal.colors
  const byCode = (counts: Map<string, number>, word: string, color: (text: string) => string): Cell[][] =>
    [...counts].sort(([, a], [, b]) => b - a).map(([code, number]) => [color(`${word}: ${code}`), number])
  const rows: Cell[][] = [
    [green('confirmed'), summary.confirmed],
    ...byCode(summary.rejected, 'rejected', yellow),
    ...[...summary.ended].map(([how, number]): Cell[] => [`${how} since`, number]),
    ['pending', summary.pending],
    ...(summary.failed.size === 0 ? [['failed', 0]] : byCode(summary.failed, 'failed', red)),
  ]
  if (summary.earlier > 0) rows.push([dim('of these, sent earlier'), summary.earlier])
  if (summary.latencyMs) {
    for (const [name, ms] of Object.entries(summary.latencyMs)) rows.push([name, `${ms.toFixed(1)} ms`])
    rows.push(['orders/s', count(answered / (sendingMs / 1000))])
  }
  rows.push(['total time', duration(totalMs)])
  return table(terminal, { heads: ['outcome', 'orders'], rows })
}

/** 0: all taken. 1: something failed. 130: stopped by Ctrl-C. */
export function exitCodeOf({ summary, ending }: Pick<Run, 'summary' | 'ending'>): number {
  if (ending.why === 'stopped') return 130
  return ending.why === 'gateway lost' || summary.failed.size > 0 ? 1 : 0
}
