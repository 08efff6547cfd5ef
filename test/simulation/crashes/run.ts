import { inProcesses } from '../pool.ts'
import { Chance } from '../world/chance.ts'
import type { CrashPoint } from '../world/faults.ts'
import { describeFailure, Rows, seconds, summary } from './report.ts'
import { SCRIPTS } from './scripts.ts'
import type { CrashAnswer, CrashJob } from './worker.ts'

/**
 * Crash at every step: each script is played once to number its effects, then again for each of them with the acting process dying just before it, and
 * just after; then with two crashes, the second anywhere in what follows the first: all such pairs, or a sample, the same in every run.
 */

type Options = { jobs: number; pairs: number }
const WORKER = new URL('worker.ts', import.meta.url)
const FAILURES_SHOWN = 10
const TOLD_EVERY_MS = 15_000
const print = (text: string) => process.stdout.write(`${text}\n`)

/** @returns the exit code. */
export async function enumerateCrashes({ jobs, pairs }: Options): Promise<number> {
  const began = performance.now()
  const rows = new Rows()
  const singles: CrashJob[] = []
  const doubles: CrashJob[] = []
  let toldAt = began
  const plays = new Phases([
    () => SCRIPTS.map(({ name }) => ({ script: name, points: [], wantsTrace: false })),
    () => inOrder(singles),
    () => (pairs < doubles.length ? shuffled(inOrder(doubles)).slice(0, pairs) : inOrder(doubles)),
  ])
  await inProcesses<CrashJob, CrashAnswer>(WORKER, jobs, {
    next: () => plays.next(),
    done(answer, job) {
      rows.add(answer, job)
      if (answer.violations.length > 0 && rows.failed <= FAILURES_SHOWN) print(describeFailure(answer, job))
      if (job.points.length === 0) singles.push(...oneMore(answer, job))
      if (job.points.length === 1) doubles.push(...oneMore(answer, job))
      plays.done()
      if (performance.now() - toldAt < TOLD_EVERY_MS) return
      toldAt = performance.now()
      print(`${plays.progress()}, ${rows.failed} failed, ${seconds(performance.now() - began)}`)
    },
  })
  print(summary(rows, { pairsPossible: doubles.length, ms: performance.now() - began }))
  return rows.failed > 0 || singles.length === 0 ? 1 : 0
}

/** Lists of jobs, each begun when all of the one before it are done, since it is made of their answers. */
class Phases {
  readonly #phases: (() => CrashJob[])[]
  #jobs: CrashJob[] = []
  #started = 0
  #open = 0
  #waiting: (() => void)[] = []

  constructor(phases: (() => CrashJob[])[]) {
    this.#phases = phases
  }

  async next(): Promise<CrashJob | undefined> {
    for (;;) {
      const job = this.#jobs[this.#started]
      if (job) {
        this.#started++
        this.#open++
        return job
      }
      if (this.#open > 0) await new Promise<void>((resolve) => void this.#waiting.push(resolve))
      else {
        const phase = this.#phases.shift()
        if (!phase) return undefined
        this.#jobs = phase()
        this.#started = 0
      }
    }
  }

  done(): void {
    this.#open--
    for (const wake of this.#waiting.splice(0)) wake()
  }

  progress(): string {
    const crashes = ['no crash', 'one crash', 'two crashes'][this.#jobs[0]?.points.length ?? 0]
    return `${this.#started} of ${this.#jobs.length} plays with ${crashes}`
  }
}

/** One script with these crashes, and all that happens. */
export async function showCrash(script: string, points: CrashPoint[]): Promise<number> {
  let code = 1
  const jobs: CrashJob[] = [{ script, points, wantsTrace: true }]
  await inProcesses<CrashJob, CrashAnswer>(WORKER, 1, {
    next: () => jobs.shift(),
    done({ trace, effects, leftOut, violations }) {
      print(`${trace.join('\n')}\n`)
      for (const [i, effect] of effects.entries())
        print(`${leftOut.includes(i + 1) ? '    ' : String(i + 1).padStart(4)} ${effect.slice(0, 150)}`)
      print(violations.map((one) => `${one.invariant}: ${one.details}`).join('\n') || 'every invariant held')
      code = violations.length > 0 ? 1 : 0
    },
  })
  return code
}

/** The same with one crash more: before and after every effect that comes later than the last one. */
function oneMore({ effectCount, leftOut }: CrashAnswer, { script, points }: CrashJob): CrashJob[] {
  const nobody = new Set(leftOut)
  const jobs: CrashJob[] = []
  for (let n = (points.at(-1)?.n ?? 0) + 1; n <= effectCount; n++) {
    if (nobody.has(n)) continue
    for (const when of ['before', 'after'] as const) jobs.push({ script, points: [...points, { n, when }], wantsTrace: false })
  }
  return jobs
}

/** Whichever process was done first: the same order in every run. */
function inOrder(jobs: readonly CrashJob[]): CrashJob[] {
  const place = new Map(SCRIPTS.map(({ name }, i) => [name, i]))
  const key = ({ script, points }: CrashJob) => [place.get(script) ?? 0, ...points.flatMap(({ n, when }) => [n, when === 'before' ? 0 : 1])]
  const keyed = jobs.map((job) => ({ job, key: key(job) }))
  return keyed.sort((a, b) => firstOther(a.key, b.key)).map(({ job }) => job)
}

function firstOther(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i])
  return at < 0 ? a.length - b.length : (a[at] ?? 0) - (b[at] ?? 0)
}

function shuffled<T>(list: T[]): T[] {
  const chance = new Chance('pairs')
  return list
    .map((one) => ({ one, at: chance.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ one }) => one)
}
