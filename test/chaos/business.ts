import { join } from 'node:path'
import { type AuditReport, audit } from '../../src/audit/audit.ts'
import { until } from '../support/until.ts'
import { type Chance, chance } from './chance.ts'
import { type Customers, openShop } from './customers.ts'
import { type Journal, openJournal, readJournal } from './journal.ts'
import { pause } from './pause.ts'
import { drawOrders, ownDeaths, seconds, share } from './report.ts'
import { type Door, type Reach, shopDoor } from './shop-door.ts'
import { type Body, newProduct, PRODUCTS_ON_SALE } from './shopping.ts'
import type { ChaosSystem } from './system.ts'
import { judge, readArrivals, readOrders } from './verdict.ts'

/** What a business needs of the system. */
export type Trader = Pick<ChaosSystem, 'gateways' | 'instances' | 'urls'> & { database: Pick<ChaosSystem['database'], 'checkpoint'> }
/** What goes on while harm is done: customers with a journal; and at the end what became of their orders is judged. */
export type Business = { system: Trader; seed: number; journal: Journal; door: Door; customers: Customers }

/** Healed, everything must have ended within this time. A payment may take a minute: only then is "no such charge" final. */
const REST_WITHIN_MS = 150_000
const EXAMPLES = 5
const REPEATS = 200

type Options = { system: Trader; dir: string; seed: number; perSecond: number; reach?: Reach; leaveOut?: readonly string[] }

/** Fills the shelves and lets customers in. `leaveOut`: payment tokens that nobody uses. */
export async function openBusiness({ system, dir, seed, perSecond, reach, leaveOut }: Options): Promise<Business> {
  await stockShelves(system)
  await system.database.checkpoint()
  const journal = await openJournal(join(dir, 'logs', 'journal.ndjson'))
  const door = shopDoor({ gateways: system.gateways, journal, chance: chance(seed, 'gateways'), reach })
  return { system, seed, journal, door, customers: openShop({ door, seed, perSecond, leaveOut }) }
}

/** Lets nobody in any more, waits until all is at rest, and judges. @returns what doesn't hold. */
export async function closeBusiness({ system, seed, journal, door, customers }: Business, say: (line: string) => void): Promise<string[]> {
  const problems: string[] = []
  const healedAt = performance.now()
  customers.close()
  say('Healed; waiting until every order has ended …')
  await Promise.race([customers.ended, pause(REST_WITHIN_MS)])
  const stillOpen = customers.sendHome()
  if (stillOpen.length > 0) problems.push(`${stillOpen.length} orders had not ended: ${stillOpen.slice(0, EXAMPLES).join(', ')}`)
  const urls = system.urls()
  const report = await audit(urls, { waitMs: Math.max(5_000, REST_WITHIN_MS - (performance.now() - healedAt)) })
  const restMs = performance.now() - healedAt
  const repeats = await sendAgain({ door, journal, chance: chance(seed, 'repeats') })
  await journal.close()
  const books = {
    journal: readJournal(journal.path),
    orders: await readOrders(urls.orders),
    arrivals: await readArrivals(urls.inventory),
  }
  say(drawOrders({ ...books, tookMs: customers.tookMs }))
  const startsMs = system.instances.flatMap((instance) => instance.startsMs)
  say(
    `${startsMs.length} starts of services, ready after ${seconds(share(startsMs, 0.5))} (median), ${seconds(share(startsMs, 1))} at most.`,
  )
  say(`At rest ${seconds(restMs)} after healing. ${repeats} keys sent again. ${inWords(report)}`)
  for (const [sentence, examples] of judge(books))
    problems.push(`${sentence}: ${examples.length} times not so; ${examples.slice(0, EXAMPLES).join('; ')}`)
  problems.push(...customers.complaints, ...broken(report), ...ownDeaths(system.instances).map((words) => `died by itself: ${words}`))
  if (door.counts.internal > 0) problems.push(`${door.counts.internal} answers were 500 internal_error`)
  return problems
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

async function stockShelves({ gateways }: Trader): Promise<void> {
  for (const product of PRODUCTS_ON_SALE) {
    const body = JSON.stringify(newProduct(product))
    await until(`product ${product.id} to be there`, async () => {
      const answer = await fetch(`${gateways[0]}/products`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      return answer.status === 201
    })
  }
}

/** What checks of the audit don't hold. */
export const broken = ({ results }: AuditReport): string[] =>
  results
    .filter(({ violations }) => violations > 0)
    .map(({ id, title, violations, examples }) => `audit ${id} (${title}): ${violations}; ${JSON.stringify(examples.slice(0, 2))}`)

const inWords = ({ ok, results }: AuditReport) => (ok ? `All ${results.length} checks of the audit hold.` : 'The audit is not clean.')
