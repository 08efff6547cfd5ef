import { bootEngines } from './ports/engine.ts'
import { type Result, simulate } from './simulate.ts'
import { installGlobals } from './world/globals.ts'

/** Simulates the seeds that it is told, one after the other. */

export type SeedJob = { seed: string; orders: number; wantsTrace: boolean }
export type SeedAnswer = Omit<Result, 'plan' | 'faults' | 'alarms' | 'outcomes'> & {
  isLight: boolean
  faults: [string, number][]
  alarms: [string, number][]
  outcomes: [string, number][]
  /** Of a seed that failed, or whose trace is wanted. */
  trace: string[]
}

installGlobals()
const unhandled: string[] = []
process.on('unhandledRejection', (error) => void unhandled.push(error instanceof Error ? (error.stack ?? error.message) : String(error)))
const engines = await bootEngines()

process.on('message', (job: SeedJob) => {
  answer(job).then(
    (result) => process.send?.(result),
    (error) => {
      process.stderr.write(`seed ${job.seed} could not be simulated: ${error instanceof Error ? error.stack : error}\n`)
      process.exit(1)
    },
  )
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')

async function answer({ seed, orders, wantsTrace }: SeedJob): Promise<SeedAnswer> {
  unhandled.length = 0
  let trace: string[] = []
  let result = await simulate(seed, engines, { orders })
  if (result.violations.length > 0 || wantsTrace) {
    // Again, which is the same again, and this time with a look at it.
    trace = []
    result = await simulate(seed, engines, { orders, onTrace: (line) => trace.push(line) })
  }
  // A real process would have ended there.
  result.violations.push(...unhandled.map((details) => ({ invariant: 'every error is handled by somebody', details })))
  const { plan, faults, alarms, outcomes, ...rest } = result
  return { ...rest, isLight: plan.isLight, faults: [...faults], alarms: [...alarms], outcomes: [...outcomes], trace }
}
