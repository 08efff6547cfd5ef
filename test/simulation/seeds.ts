import { writeFileSync } from 'node:fs'
import { inProcesses } from './pool.ts'
import { Tally } from './report.ts'
import type { SeedAnswer, SeedJob } from './seed-worker.ts'

/** Many seeds, in several processes; prints as it goes. */

type Options = {
  /** These and no others. */
  seeds: string[] | undefined
  from: number
  count: number
  /** Start none after this moment, in ms of performance.now(). */
  endMs: number | undefined
  orders: number
  jobs: number
  trace: string | undefined
}

const TOLD_EVERY_MS = 15_000

/** @returns the exit code. */
export async function runSeeds({ seeds, from, count, endMs, orders, jobs, trace }: Options): Promise<number> {
  const tally = new Tally(orders)
  const print = (text: string) => process.stdout.write(`${text}\n`)
  let started = 0
  let toldAt = performance.now()
  const total = seeds?.length ?? count
  const next = (): SeedJob | undefined => {
    if (started >= total || (endMs !== undefined && performance.now() > endMs)) return undefined
    const seed = seeds?.[started] ?? String(from + started)
    started++
    return { seed, orders, wantsTrace: trace !== undefined }
  }
  const done = (answer: SeedAnswer) => {
    tally.add(answer)
    if (answer.violations.length > 0) print(tally.failure(answer))
    else if (seeds) print(tally.single(answer))
    if (trace !== undefined) writeFileSync(trace, `${answer.trace.join('\n')}\n`)
    if (performance.now() - toldAt < TOLD_EVERY_MS) return
    toldAt = performance.now()
    print(tally.progress(total))
  }
  await inProcesses<SeedJob, SeedAnswer>(new URL('seed-worker.ts', import.meta.url), Math.min(jobs, total), { next, done })
  print(tally.summary())
  return tally.isGood() ? 0 : 1
}
