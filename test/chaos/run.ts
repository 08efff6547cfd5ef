import { appendFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../support/folder.ts'
import { hasRabbitmq } from '../support/rabbitmq.ts'
import { run } from './chaos.ts'

/** npm run chaos: real processes, killed and cut off at random, and at the end the proof that nothing was lost. See docs/CHAOS.md. */

const HELP = `npm run chaos -- [options]

  --minutes <n>          how long harm is done (2)
  --seed <n>             draws the same harm again (random)
  --rate <n>             new orders a second (10)
  --kills-at-least <n>   goes on until so many were killed, at most three times as long (0)
  --broker <which>       postgres or rabbitmq (rabbitmq where it is installed)
  --keep                 keeps logs, journal and data also when all is well

Exit code 0: everything holds. 1: something does not.`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string' },
    rate: { type: 'string', default: '10' },
    'kills-at-least': { type: 'string', default: '0' },
    broker: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(`${HELP}\n`)
  process.exit(0)
}

const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
const options = { minutes: Number(values.minutes), seed, perSecond: Number(values.rate), killsAtLeast: Number(values['kills-at-least']) }
for (const [name, value] of Object.entries(options)) {
  if (Number.isFinite(value) && value >= 0) continue
  process.stderr.write(`${name} must be a number, 0 or more\n`)
  process.exit(2)
}
const broker = values.broker ?? (hasRabbitmq() ? 'rabbitmq' : 'postgres')
if (broker !== 'postgres' && broker !== 'rabbitmq') {
  process.stderr.write('the broker must be postgres or rabbitmq\n')
  process.exit(2)
}
const dir = temporaryFolder('chaos')
mkdirSync(join(dir, 'logs'))
const say = (line: string) => {
  process.stdout.write(`${line}\n`)
  appendFileSync(join(dir, 'logs', 'chaos.txt'), `${new Date().toISOString()} ${line}\n`)
}
say(`Chaos with seed ${seed} and ${broker} as the broker; logs and journal in ${dir}`)
const problems = await run({ ...options, broker, dir, say }).catch((error: Error) => [`the chaos itself failed: ${error.stack}`])
for (const problem of problems) say(`✗ ${problem}`)
if (problems.length === 0) {
  say(`✓ everything holds (seed ${seed})`)
  if (!values.keep) rmSync(dir, { recursive: true, force: true })
} else {
  say(`✗ seed ${seed}. Look at ${dir}/logs (what was done: nemesis.ndjson; what customers were told: journal.ndjson; a folder for each`)
  say(`  process). Again: npm run chaos -- --seed ${seed} --minutes ${options.minutes} --rate ${options.perSecond} --broker ${broker}`)
}
process.exit(problems.length === 0 ? 0 : 1)
