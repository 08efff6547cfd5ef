import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AuditReport, audit } from '../../src/audit/audit.ts'
import { until } from '../support/until.ts'
import { type Chance, chance } from './chance.ts'
import { type Customers, openShop } from './customers.ts'
import { type Journal, openJournal, readJournal } from './journal.ts'
import { type Nemesis, unleash } from './nemesis.ts'
import { pause } from './pause.ts'
import { drawHarm, drawOrders, ownDeaths, seconds, share } from './report.ts'
import { type Door, shopDoor } from './shop-door.ts'
import { type Body, newProduct, PRODUCTS_ON_SALE } from './shopping.ts'
import { type ChaosSystem, startChaosSystem } from './system.ts'
import { judge, readArrivals, readOrders } from './verdict.ts'

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
/** Healed, everything must have ended within this time. A payment may take a minute: only then is "no such charge" final. */
const REST_WITHIN_MS = 150_000
const EXAMPLES = 5
const REPEATS = 200

/** @returns what does not hold; nothing when all is well. */
export async function run(options: ChaosOptions): Promise<string[]> {
  const { dir, seed, say } = options
  const swallowed = new Map<string, number>()
  const onSwallow = (link: string, what: string) => void swallowed.set(`${link} ${what}`, (swallowed.get(`${link} ${what}`) ?? 0) + 1)
  const system = await startChaosSystem({ dir, seed, broker: options.broker, onSwallow })
  const stopAll = () => system.stop().finally(() => process.exit(1))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stopAll)
  try {
    await system.ready()
    await stockShelves(system)
    await system.database.checkpoint()
    const journal = await openJournal(join(dir, 'logs', 'journal.ndjson'))
    const door = shopDoor({ gateways: system.gateways, journal, chance: chance(seed, 'gateways') })
    const customers = openShop({ door, seed, perSecond: options.perSecond })
    const nemesis = unleash({
      system,
      chance: chance(seed, 'nemesis'),
      wipeAfterMs: chance(seed, 'wiping').between(0.3, 0.7) * options.minutes * 60_000,
      tell: (deed) => appendFileSync(join(dir, 'logs', 'nemesis.ndjson'), `${JSON.stringify(deed)}\n`),
    })
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
    const repeats = await sendAgain({ door, journal, chance: chance(seed, 'repeats') })
    await journal.close()
    const books = {
      journal: readJournal(journal.path),
      orders: await readOrders(system.urls.orders),
      arrivals: await readArrivals(system.urls.inventory),
    }
    say(drawHarm(nemesis.deeds, swallowed))
    say(drawOrders({ ...books, tookMs: customers.tookMs }))
    const startsMs = system.instances.flatMap((instance) => instance.startsMs)
    say(
      `${startsMs.length} starts of services, ready after ${seconds(share(startsMs, 0.5))} (median), ${seconds(share(startsMs, 1))} at most.`,
    )
    say(`${nemesis.kills()} kills. At rest ${seconds(restMs)} after healing. ${repeats} keys sent again. ${inWords(report)}`)
    for (const [sentence, examples] of judge(books))
      problems.push(`${sentence}: ${examples.length} times not so; ${examples.slice(0, EXAMPLES).join('; ')}`)
    problems.push(...customers.complaints, ...broken(report), ...ownDeaths(system.instances).map((words) => `died by itself: ${words}`))
    if (door.counts.internal > 0) problems.push(`${door.counts.internal} answers were 500 internal_error`)
    if (nemesis.kills() < options.killsAtLeast) problems.push(`only ${nemesis.kills()} of ${options.killsAtLeast} kills`)
    return problems
  } finally {
    await system.stop()
  }
}

/** Keys of orders long ended, sent once more; the judge holds the answers against the first ones. @returns how many. */
async function sendAgain({ door, journal, chance }: { door: Door; journal: Journal; chance: Chance }): Promise<number> {
  const sent = new Map<string, Body>()
  for (const entry of readJournal(journal.path)) if (entry.kind === 'sends' && !sent.has(entry.key)) sent.set(entry.key, entry.body as Body)
  const keys = [...sent.keys()].filter(() => chance.happens(Math.min(1, REPEATS / sent.size)))
  for (const key of keys) {
    const place = () => door.place({ key, body: sent.get(key) as Body, prefer: undefined, gateway: chance.whole(0, 1) })
    await until(`${key} to be answered again`, place)
  }
  return keys.length
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
