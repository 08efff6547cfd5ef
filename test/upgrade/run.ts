import { appendFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { OWN_SOURCES } from '../chaos/keeper.ts'
import { temporaryFolder } from '../support/folder.ts'
import { hasRabbitmq } from '../support/rabbitmq.ts'
import { checkOut, countMigrations, findPrevious, NotToBeHad } from './previous.ts'
import { run } from './upgrade.ts'

/** npm run upgrade: the version before under load, replaced by this one, process by process, and back. See docs/OPERATING.md. */

const HELP = `npm run upgrade -- [options]

  --from <ref>       the version before (the last release; without one, the newest commit with fewer migrations)
  --short            a minute and a half at most, for CI: one of each two is replaced
  --broker <which>   postgres or rabbitmq (postgres)
  --rate <n>         new orders a second (10; 5 in the short form)
  --seed <n>         draws the same orders again (random)
  --keep             keeps logs, journal and data also when all is well

Exit code 0: everything holds, or git's history does not have the version before and all was skipped. 1: something does not hold.`

const { values } = parseArgs({
  options: {
    from: { type: 'string' },
    short: { type: 'boolean', default: false },
    broker: { type: 'string', default: 'postgres' },
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
const { broker } = values
if (!Number.isInteger(seed) || !(perSecond > 0) || (broker !== 'postgres' && broker !== 'rabbitmq')) {
  process.stderr.write('--seed must be a whole number, --rate a number above 0, --broker postgres or rabbitmq\n')
  process.exit(2)
}
if (broker === 'rabbitmq' && !hasRabbitmq()) process.exit(0)
const dir = temporaryFolder('upgrade')
mkdirSync(join(dir, 'logs'))
const say = (line: string) => {
  process.stdout.write(`${line}\n`)
  appendFileSync(join(dir, 'logs', 'upgrade.txt'), `${new Date().toISOString()} ${line}\n`)
}

function previous(): string {
  try {
    const found = findPrevious(OWN_SOURCES, values.from)
    const [before, now] = [countMigrations(OWN_SOURCES, found.commit), countMigrations(OWN_SOURCES)]
    say(`The version before: ${found.title}; it has ${before} migrations, this one ${now}.`)
    return checkOut(OWN_SOURCES, found, dir)
  } catch (error) {
    rmSync(dir, { recursive: true, force: true })
    // A reference that someone gave and that is not there is their mistake.
    if (!(error instanceof NotToBeHad) || values.from !== undefined) throw error
    process.stderr.write(`\n*** The version before can't be had: upgrading from it is SKIPPED (${error.message}) ***\n\n`)
    process.exit(0)
  }
}

const old = previous()
say(`Upgrade with seed ${seed} and ${broker} as the broker; logs and journal in ${dir}`)
const length = values.short ? 'short' : 'long'
const problems = await run({ length, broker, seed, perSecond, dir, old, say }).catch((error: Error) => [
  `the run itself failed: ${error.stack}`,
])
for (const problem of problems) say(`✗ ${problem}`)
if (problems.length > 0) say(`✗ seed ${seed}. Look at ${dir}/logs (what customers were told: journal.ndjson; a folder for each process)`)
else {
  say('✓ everything holds')
  if (!values.keep) rmSync(dir, { recursive: true, force: true })
}
process.exit(problems.length === 0 ? 0 : 1)
