import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { enumerateCrashes, showCrash } from './crashes/run.ts'
import { runSeeds } from './seeds.ts'

/** npm run simulate: docs/SIMULATION.md. */

const USAGE = `npm run simulate -- [options]
  --seed 123        one seed; the same seed is the same run
  --seeds 300       so many seeds, one after the other (default 20)
  --from 1          the first of them
  --hours 8         as many as fit into this time
  --orders 35       orders in each
  --jobs 2          processes (default: one per core, two at most)
  --trace FILE      write what happens in the one seed, line by line
  --crashes         instead of seeds: every script with a crash at every step
  --pairs 500       then with two crashes: so many of the possible pairs, or all (default 0)
  --script NAME     one of the scripts, and all that happens in it; --at 12before,40after crashes there`

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '20' },
    from: { type: 'string', default: '1' },
    hours: { type: 'string' },
    orders: { type: 'string', default: '35' },
    jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    trace: { type: 'string' },
    crashes: { type: 'boolean', default: false },
    pairs: { type: 'string', default: '0' },
    script: { type: 'string' },
    at: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
})

function whole(name: 'seeds' | 'from' | 'orders' | 'jobs' | 'pairs'): number {
  const value = Number(values[name])
  if (Number.isSafeInteger(value) && value > 0) return value
  process.stderr.write(`--${name} must be a whole number above 0\n${USAGE}\n`)
  process.exit(2)
}

function pairsWanted(): number {
  if (values.pairs === 'all') return Number.POSITIVE_INFINITY
  return values.pairs === '0' ? 0 : whole('pairs')
}

const points = [...values.at.matchAll(/(\d+)(before|after)/g)].map(([, n, when]) => ({ n: Number(n), when: when as 'before' | 'after' }))

if (values.help) process.stdout.write(`${USAGE}\n`)
else if (values.script) process.exitCode = await showCrash(values.script, points)
else if (values.crashes) process.exitCode = await enumerateCrashes({ jobs: whole('jobs'), pairs: pairsWanted() })
else {
  const seeds = values.seed === undefined ? undefined : [values.seed]
  const endMs = values.hours === undefined ? undefined : performance.now() + Number(values.hours) * 3_600_000
  process.exitCode = await runSeeds({
    ...{ seeds, from: whole('from'), count: endMs ? Number.POSITIVE_INFINITY : whole('seeds'), endMs },
    ...{ orders: whole('orders'), jobs: seeds ? 1 : whole('jobs'), trace: values.trace },
  })
}
