import { SCRIPTS } from './scripts.ts'
import type { CrashAnswer, CrashJob } from './worker.ts'

/** What the crashes came to, by script. */

type Row = { effects: number; singles: number; pairs: number; failed: number }
const VIOLATIONS_SHOWN = 4

export class Rows {
  readonly #rows = new Map<string, Row>(SCRIPTS.map(({ name }) => [name, { effects: 0, singles: 0, pairs: 0, failed: 0 }]))

  add(answer: CrashAnswer, { script, points }: CrashJob): void {
    const row = this.#rows.get(script) as Row
    if (points.length === 0) row.effects = answer.effectCount - answer.leftOut.length
    if (points.length === 1) row.singles++
    if (points.length === 2) row.pairs++
    if (answer.violations.length > 0) row.failed++
  }

  get failed(): number {
    return this.sum('failed')
  }

  sum(what: keyof Row): number {
    return [...this.#rows.values()].reduce((sum, row) => sum + row[what], 0)
  }

  table(): string {
    const line = (name: string, cells: (string | number)[]) => name.padEnd(28) + cells.map((cell) => String(cell).padStart(16)).join('')
    return [
      line('script', ['steps', 'one crash', 'two crashes', 'failed']),
      ...[...this.#rows].map(([name, row]) => line(name, [row.effects, row.singles, row.pairs, row.failed])),
    ].join('\n')
  }
}

export function summary(rows: Rows, { pairsPossible, ms }: { pairsPossible: number; ms: number }): string {
  const [singles, pairs] = [rows.sum('singles'), rows.sum('pairs')]
  const counts = `${SCRIPTS.length} scripts, ${rows.sum('effects')} steps, ${singles} with one crash, ${pairs} of ${pairsPossible} pairs of crashes`
  const verdict = rows.failed > 0 ? `FAILED: ${rows.failed}` : 'every order came to its right end, every invariant held'
  return `${rows.table()}\n${counts}, in ${seconds(ms)}\n${verdict}`
}

export function describeFailure(answer: CrashAnswer, { script, points }: CrashJob): string {
  const at = points.map(({ n, when }) => `${n}${when}`).join(',')
  return [
    `"${script}" FAILED; again: npm run simulate -- --script "${script}"${at && ` --at ${at}`}`,
    ...points.map(({ n, when }) => `  crash ${when} step ${n}: ${answer.effects[n - 1]?.slice(0, 160)}`),
    ...answer.violations.slice(0, VIOLATIONS_SHOWN).map((one) => `  ${one.invariant}: ${one.details}`),
  ].join('\n')
}

export const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
