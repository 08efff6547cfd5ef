import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { runSeeds } from './seeds.ts'

/** npm run simulate: docs/SIMULATION.md. */

const USAGE = `npm run simulate -- [options]
  --seed 123        one seed; the same seed is the same run
  --seeds 300       so many seeds, one after the other (default 20)
  --from 1          the first of them
  --hours 8         as many as fit into this time
  --orders 35       orders in each
  --jobs 2          processes (default: one per core, two at most)
  --trace FILE      write what happens in the one seed, line by line`

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '20' },
    from: { type: 'string', default: '1' },
    hours: { type: 'string' },
    orders: { type: 'string', default: '35' },
    jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    trace: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

function whole(name: 'seeds' | 'from' | 'orders' | 'jobs'): number {
  const value = Number(values[name])
  if (Number.isSafeInteger(value) && value > 0) return value
  process.stderr.write(`--${name} must be a whole number above 0\n${USAGE}\n`)
  process.exit(2)
}

if (values.help) process.stdout.write(`${USAGE}\n`)
else {
  const seeds = values.seed === undefined ? undefined : [values.seed]
  const endMs = values.hours === undefined ? undefined : performance.now() + Number(values.hours) * 3_600_000
  process.exitCode = await runSeeds({
    ...{ seeds, from: whole('from'), count: endMs ? Number.POSITIVE_INFINITY : whole('seeds'), endMs },
    ...{ orders: whole('orders'), jobs: seeds ? 1 : whole('jobs'), trace: values.trace },
  })
}
