import Table from 'cli-table3'
import type { Written } from '../chaos/journal.ts'
import { seconds, share } from '../chaos/report.ts'

/** A stage that is over: `from` when something died, `until` when it was long back. */
export type Played = { name: string; told: string; from: number; tookMs: number; until: number }

/** The longest time within a stage in which no order was taken, its beginning and its end included. */
export function longestGapMs(taken: readonly number[], { from, until }: Pick<Played, 'from' | 'until'>): number {
  const moments = [from, ...[...taken].sort((one, other) => one - other), until]
  return moments.reduce((gap, at, i) => Math.max(gap, at - (moments[i - 1] ?? at)), 0)
}

type Answer = Extract<Written, { kind: 'answered' }>

export function drawStages(played: readonly Played[], journal: readonly Written[]): string {
  const taken = journal.filter((entry): entry is Answer & { at: string } => entry.kind === 'answered' && entry.status < 300)
  const table = new Table({
    head: ['stage', 'back after', 'orders taken', 'of them 202', 'p99 of the answer', 'write gap', ''],
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: [] },
  })
  for (const stage of played) {
    const within = taken.filter((answer) => answer.until >= stage.from && answer.until <= stage.until)
    const took = within.map((answer) => answer.until - answer.from)
    const moments = within.map((answer) => answer.until)
    table.push([
      stage.name,
      seconds(stage.tookMs),
      within.length,
      within.filter((answer) => answer.status === 202).length,
      seconds(share(took, 0.99)),
      seconds(longestGapMs(moments, stage)),
      stage.told,
    ])
  }
  return table.toString()
}
