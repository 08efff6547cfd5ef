import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { audit } from '../../src/audit/audit.ts'
import { OWNERS } from '../../src/platform/config.ts'
import { freePorts } from '../support/system.ts'
import { postgresBroker, rabbitmqBroker } from './broker.ts'
import { type Business, broken, closeBusiness, openBusiness } from './business.ts'
import { chance } from './chance.ts'
import { startDatabaseServer } from './database.ts'
import { type Nemesis, unleash } from './nemesis.ts'
import { pause } from './pause.ts'
import { drawHarm } from './report.ts'
import { startChaosSystem } from './system.ts'

/** One run: start, harm under load, heal, wait for rest, judge. */

export type ChaosOptions = {
  minutes: number
  seed: number
  perSecond: number
  killsAtLeast: number
  broker: 'postgres' | 'rabbitmq'
  dir: string
  say(line: string): void
}

const PROGRESS_EVERY_MS = 10_000
const AUDIT_EVERY_MS = 10_000

/** @returns what does not hold; nothing when all is well. */
export async function run(options: ChaosOptions): Promise<string[]> {
  const { dir, seed, say } = options
  const swallowed = new Map<string, number>()
  const onSwallow = (link: string, what: string) => void swallowed.set(`${link} ${what}`, (swallowed.get(`${link} ${what}`) ?? 0) + 1)
  const [port = 0] = await freePorts(1)
  const database = await startDatabaseServer({ dataDir: join(dir, 'data'), port, databases: [...OWNERS, 'broker'] })
  const broker = options.broker === 'rabbitmq' ? await rabbitmqBroker() : postgresBroker(database)
  const system = await startChaosSystem({ dir, seed, database, broker: broker.settings, onSwallow })
  const stop = async () => {
    await system.stop()
    await broker.stop()
    await database.stop()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop().finally(() => process.exit(1)))
  try {
    await system.ready()
    const business = await openBusiness({ system, dir, seed, perSecond: options.perSecond })
    const nemesis = unleash({
      system,
      broker,
      chance: chance(seed, 'nemesis'),
      wipeAfterMs: chance(seed, 'wiping').between(0.3, 0.7) * options.minutes * 60_000,
      tell: (deed) => appendFileSync(join(dir, 'logs', 'nemesis.ndjson'), `${JSON.stringify(deed)}\n`),
    })
    const problems = await harm({ options, business, nemesis })
    await nemesis.stop()
    problems.push(...(await closeBusiness(business, say)))
    say(drawHarm(nemesis.deeds, swallowed))
    say(`${nemesis.kills()} kills.`)
    if (nemesis.kills() < options.killsAtLeast) problems.push(`only ${nemesis.kills()} of ${options.killsAtLeast} kills`)
    return problems
  } finally {
    await stop()
  }
}

type Scene = { options: ChaosOptions; business: Business; nemesis: Nemesis }

/** Until the time is over and enough were killed. Meanwhile what holds at every instant is looked at. @returns what did not hold. */
async function harm({ options: { minutes, killsAtLeast, say }, business: { system, customers, door }, nemesis }: Scene): Promise<string[]> {
  const startedAt = performance.now()
  const problems: string[] = []
  const ms = minutes * 60_000
  let nextLine = PROGRESS_EVERY_MS
  let nextAudit = AUDIT_EVERY_MS
  for (;;) {
    await pause(250)
    const passed = performance.now() - startedAt
    if (passed >= 3 * ms || (passed >= ms && nemesis.kills() >= killsAtLeast)) return problems
    if (passed >= nextLine) {
      nextLine += PROGRESS_EVERY_MS
      const { begun, ended } = customers.progress()
      const { answered, later, silent } = door.counts
      say(
        `${Math.round(passed / 1_000)} s · ${nemesis.kills()} kills · ${begun} orders begun, ${ended} ended · ${answered} answers, ${later} "later", ${silent} silent`,
      )
    }
    if (passed >= nextAudit) {
      nextAudit += AUDIT_EVERY_MS
      // PostgreSQL may just be dead.
      const report = await audit(system.urls(), { now: true }).catch(() => undefined)
      if (report) problems.push(...broken(report).map((words) => `at ${Math.round(passed / 1_000)} s: ${words}`))
    }
  }
}
