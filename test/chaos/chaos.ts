import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AuditReport, audit } from '../../src/audit/audit.ts'
import { until } from '../support/until.ts'
import { chance } from './chance.ts'
import { type Customers, openShop } from './customers.ts'
import { openJournal, readJournal } from './journal.ts'
import { type Nemesis, unleash } from './nemesis.ts'
import { pause } from './pause.ts'
import { drawHarm, drawOrders, ownDeaths, seconds, share } from './report.ts'
import { type Door, shopDoor } from './shop-door.ts'
import { newProduct, PRODUCTS_ON_SALE } from './shopping.ts'
import { type ChaosSystem, startChaosSystem } from './system.ts'
import { judge, readOrders } from './verdict.ts'

/** One run: start, harm under load, heal, wait for rest, judge. */

export type ChaosOptions = {
  minutes: number
  seed: number
  perSecond: number
  killsAtLeast: number
  dir: string
  say(line: string): void
}

const PROGRESS_EVERY_MS = 10_000
const AUDIT_EVERY_MS = 10_000
/** Healed, everything must have ended within this time. A payment may take a minute: only then is "no such charge" final. */
const REST_WITHIN_MS = 150_000
const EXAMPLES = 5

/** @returns what does not hold; nothing when all is well. */
export async function run(options: ChaosOptions): Promise<string[]> {
  const { dir, seed, say } = options
  const swallowed = new Map<string, number>()
  const onSwallow = (link: string, what: string) => void swallowed.set(`${link} ${what}`, (swallowed.get(`${link} ${what}`) ?? 0) + 1)
  const system = await startChaosSystem({ dir, seed, onSwallow })
  const stopAll = () => system.stop().finally(() => process.exit(1))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stopAll)
  try {
    await system.ready()
    await stockShelves(system)
    await system.database.checkpoint()
    const journalPath = join(dir, 'logs', 'journal.ndjson')
    const journal = await openJournal(journalPath)
    const door = shopDoor({ gateways: system.gateways, journal, chance: chance(seed, 'gateways') })
    const customers = openShop({ door, seed, perSecond: options.perSecond })
    const nemesis = unleash(system, chance(seed, 'nemesis'), (deed) =>
      appendFileSync(join(dir, 'logs', 'nemesis.ndjson'), `${JSON.stringify(deed)}\n`),
    )
    const problems = await harm({ options, system, customers, nemesis, door })
    await nemesis.stop()
    const healedAt = performance.now()
    customers.close()
    say('Healed; waiting until every order has ended …')
    await Promise.race([customers.ended, pause(REST_WITHIN_MS)])
    const stillOpen = customers.sendHome()
    if (stillOpen.length > 0) problems.push(`${stillOpen.length} orders had not ended: ${stillOpen.slice(0, EXAMPLES).join(', ')}`)
    const report = await audit(system.urls, { waitMs: Math.max(5_000, REST_WITHIN_MS - (performance.now() - healedAt)) })
    const restMs = performance.now() - healedAt
    await journal.close()

    const orders = await readOrders(system.urls.orders)
    const written = readJournal(journalPath)
    say(drawHarm(nemesis.deeds, swallowed))
    say(drawOrders({ orders, journal: written, tookMs: customers.tookMs }))
    const startsMs = system.instances.flatMap((instance) => instance.startsMs)
    say(
      `${startsMs.length} starts of services, each ready after ${seconds(share(startsMs, 0.5))} (half of them), ${seconds(share(startsMs, 1))} at most.`,
    )
    say(`${nemesis.kills()} kills. At rest ${seconds(restMs)} after healing. ${inWords(report)}`)
    for (const [sentence, examples] of judge(written, orders))
      problems.push(`${sentence}: ${examples.length} times not so; ${examples.slice(0, EXAMPLES).join('; ')}`)
    problems.push(...customers.complaints, ...broken(report), ...ownDeaths(system.instances).map((words) => `died by itself: ${words}`))
    if (door.counts.internal > 0) problems.push(`${door.counts.internal} answers were 500 internal_error`)
    if (nemesis.kills() < options.killsAtLeast) problems.push(`only ${nemesis.kills()} of ${options.killsAtLeast} kills`)
    return problems
  } finally {
    await system.stop()
  }
}

async function stockShelves({ gateways }: ChaosSystem): Promise<void> {
  for (const product of PRODUCTS_ON_SALE) {
    const body = JSON.stringify(newProduct(product))
    await until(`product ${product.id} to be there`, async () => {
      const answer = await fetch(`${gateways[0]}/products`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      return answer.status === 201
    })
  }
}

type Scene = { options: ChaosOptions; system: ChaosSystem; customers: Customers; nemesis: Nemesis; door: Door }

/** Until the time is over and enough were killed. Meanwhile what holds at every instant is looked at. @returns what did not hold. */
async function harm({ options: { minutes, killsAtLeast, say }, system, customers, nemesis, door }: Scene): Promise<string[]> {
  const startedAt = performance.now()
  const problems: string[] = []
  const ms = minutes * 60_000
  let nextLine = PROGRESS_EVERY_MS
  let nextAudit = AUDIT_EVERY_MS
  for (;;) {
    await pause(250)
    const passed = performance.now() - startedAt
    if (passed >= 2 * ms || (passed >= ms && nemesis.kills() >= killsAtLeast)) return problems
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
      const report = await audit(system.urls, { now: true }).catch(() => undefined)
      if (report) problems.push(...broken(report).map((words) => `at ${Math.round(passed / 1_000)} s: ${words}`))
    }
  }
}

const broken = ({ results }: AuditReport): string[] =>
  results
    .filter(({ violations }) => violations > 0)
    .map(({ id, title, violations, examples }) => `audit ${id} (${title}): ${violations}; ${JSON.stringify(examples.slice(0, 2))}`)

const inWords = ({ ok, results }: AuditReport) => (ok ? `All ${results.length} checks of the audit hold.` : 'The audit is not clean.')
