import Table from 'cli-table3'
import { seconds, share } from '../chaos/report.ts'
import { hasFailed, isToldLater, type Passed } from './gate.ts'

/** A stage that is over. */
export type Played = { name: string; told: string; from: number; until: number }

/** What became of the requests that ended within a stage. */
export function tally(passed: readonly Passed[], { from, until }: Pick<Played, 'from' | 'until'>) {
  const within = passed.filter((one) => one.until >= from && one.until <= until)
  const taken = within.filter(({ what, status }) => what === 'POST /orders' && status >= 200 && status < 300)
  return {
    requests: within.length,
    taken: taken.length,
    waiting: taken.filter(({ status }) => status === 202).length,
    later: within.filter(isToldLater).length,
    failed: within.filter(hasFailed).length,
    p99Ms: share(
      taken.map((one) => one.until - one.from),
      0.99,
    ),
  }
}

export function drawStages(played: readonly Played[], passed: readonly Passed[]): string {
  const table = new Table({
    head: ['stage', 'took', 'requests', 'orders taken', 'of them 202', 'p99 of the answer', '503, later taken', 'failed', ''],
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: [] },
  })
  for (const stage of played) {
    const { requests, taken, waiting, p99Ms, later, failed } = tally(passed, stage)
    table.push([stage.name, seconds(stage.until - stage.from), requests, taken, waiting, seconds(p99Ms), later, failed, stage.told])
  }
  return table.toString()
}
