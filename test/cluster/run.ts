import { appendFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../support/folder.ts'
import { hasRabbitmq } from '../support/rabbitmq.ts'
import { run } from './cluster.ts'

/** npm run cluster: a RabbitMQ cluster, a PostgreSQL with a standby, two of each service; one after the other dies. See docs/SCALING.md. */

const HELP = `npm run cluster -- [options]

  --short        about two minutes, for CI
  --rate <n>     new orders a second (10; 5 in the short form)
  --seed <n>     draws the same orders again (random)
  --keep         keeps logs, journal and data also when all is well

Exit code 0: everything holds, or RabbitMQ is not installed and all was skipped. 1: something does not hold.`

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    rate: { type: 'string' },
    seed: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(`${HELP}\n`)
  process.exit(0)
}
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
const perSecond = Number(values.rate ?? (values.short ? 5 : 10))
if (!Number.isInteger(seed) || !(perSecond > 0)) {
  process.stderr.write('--seed must be a whole number, and --rate a number above 0\n')
  process.exit(2)
}
if (!hasRabbitmq()) process.exit(0)
const dir = temporaryFolder('cluster')
mkdirSync(join(dir, 'logs'))
const say = (line: string) => {
  process.stdout.write(`${line}\n`)
  appendFileSync(join(dir, 'logs', 'cluster.txt'), `${new Date().toISOString()} ${line}\n`)
}
say(`Cluster with seed ${seed}; logs and journal in ${dir}`)
const length = values.short ? 'short' : 'long'
const problems = await run({ length, seed, perSecond, dir, say }).catch((error: Error) => [`the run itself failed: ${error.stack}`])
for (const problem of problems) say(`✗ ${problem}`)
if (problems.length > 0) say(`✗ seed ${seed}. Look at ${dir}/logs (what customers were told: journal.ndjson; a folder for each process)`)
else {
  say('✓ everything holds')
  if (!values.keep) rmSync(dir, { recursive: true, force: true })
}
process.exit(problems.length === 0 ? 0 : 1)
