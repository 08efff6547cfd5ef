import { placeCommand } from '../../../src/gateway/place-command.ts'
import type { Order } from '../../../src/gen/comanda/v1/orders.ts'
import type { Answer } from '../../../src/platform/outcome.ts'
import type { System } from '../system/system.ts'
import type { Chance } from '../world/chance.ts'
import { Edge, pause } from './edge.ts'
import { type Entry, type Journal, newEntry } from './journal.ts'
import type { Plan } from './plan.ts'

/** Customers: each wants one order, and asks with the same key until it gets an answer. */

export type Body = Parameters<typeof placeCommand>[0]
const TRIES = 12
const WAIT_MS = 5_000

export class Customers {
  readonly #system: System
  readonly #plan: Plan
  readonly #journal: Journal
  readonly #edge: Edge
  #active = 0

  constructor(system: System, plan: Plan, journal: Journal) {
    this.#system = system
    this.#plan = plan
    this.#journal = journal
    const process = system.world.process('customers', 1)
    process.isMortal = false
    this.#edge = new Edge(system, process)
    const arrivals = plan.chance.split('arrivals')
    for (let i = 0; i < plan.orders; i++) {
      this.#active++
      const at = plan.bursts ? plan.arrivalMs * Math.floor(arrivals.next() * 4) * 0.25 : arrivals.next() * plan.arrivalMs
      const chance = plan.chance.split(`customer/${i}`)
      system.world.plan(at, process, () => void this.#live(i, chance).finally(() => this.#active--))
    }
  }

  get areDone(): boolean {
    return this.#active === 0
  }

  async #live(i: number, chance: Chance): Promise<void> {
    const body = drawBody(this.#plan, i, chance)
    const entry = newEntry(`key-${i}`)
    this.#journal.entries.push(entry)
    const isDouble = chance.hits(this.#plan.doubleClicks)
    const again = isDouble ? pause(chance.between(0, 30)).then(() => this.#place(body, entry, chance)) : undefined
    await Promise.all([this.#place(body, entry, chance), again])
    if (!entry.isAccepted) return
    if (chance.hits(0.1)) await this.#reuseKey(body, entry)
    if (chance.hits(this.#plan.cancels)) {
      await pause(chance.hits(0.5) ? chance.between(0, 50) : chance.exponential(3_000))
      await this.#cancel(entry, chance)
    }
    for (let looks = chance.int(0, 3); looks > 0; looks--) {
      await pause(chance.exponential(2_000))
      await this.#look(entry)
    }
    // Long after, as after a lost mobile connection: the same order again.
    if (chance.hits(0.2)) await this.#place(body, entry, chance)
  }

  async #place(body: Body, entry: Entry, chance: Chance): Promise<void> {
    for (let tries = 1; tries <= TRIES; tries++) {
      const answer = await this.#post(body, entry.key).catch(() => undefined)
      if (answer?.kind === 'refused') {
        entry.refusal = answer.code
        return
      }
      if (answer?.kind === 'done') {
        entry.isAccepted = true
        return this.#saw(entry, answer.value)
      }
      await pause(chance.between(0.2, 1) * Math.min(30_000, 250 * 2 ** tries))
    }
  }

  /** As the gateway's route does it. */
  #post(body: Body, key: string): Promise<Answer<Order>> {
    return this.#edge.ask(async (clients) => {
      const { accepted, ended } = await clients.placeOrder(placeCommand(body, { requestId: `r-${key}`, key }))
      if (accepted.kind !== 'done' || accepted.value.status !== 'pending' || !this.#plan.waits) return accepted
      const end = await Promise.race([ended, pause(WAIT_MS).then(() => undefined)])
      const order = end ?? (await clients.getOrder(accepted.value.id).catch(() => undefined))
      return order ? { kind: 'done', value: order } : accepted
    })
  }

  async #reuseKey(body: Body, entry: Entry): Promise<void> {
    const answer = await this.#post({ ...body, user_id: `${body.user_id}-other` }, entry.key).catch(() => undefined)
    if (answer?.kind === 'done') entry.wrongBodyTaken = true
  }

  async #cancel(entry: Entry, chance: Chance): Promise<void> {
    const [orderId = ''] = entry.orderIds
    const command = { orderId, requestId: `c-${entry.key}`, reason: 'changed my mind' }
    for (let tries = 1; tries <= 3; tries++) {
      const answer = await this.#edge.ask((clients) => clients.cancelOrder(command)).catch(() => undefined)
      if (answer?.kind === 'done') return this.#saw(entry, answer.value as Order)
      if (answer?.kind === 'refused') return
      await pause(chance.exponential(2_000))
    }
  }

  async #look(entry: Entry): Promise<void> {
    const [orderId = ''] = entry.orderIds
    const order = await this.#edge.ask((clients) => clients.getOrder(orderId)).catch(() => null)
    if (order) this.#saw(entry, order)
    if (order === undefined) this.#journal.wrong.push(`order ${orderId} was accepted, and then could not be found`)
  }

  #saw(entry: Entry, order: Order): void {
    entry.orderIds.add(order.id)
    entry.seen.push({ at: this.#system.world.now, status: order.status, version: order.version })
  }
}

function drawBody(plan: Plan, i: number, chance: Chance): Body {
  const wanted = new Set<string>()
  for (let lines = chance.int(1, 3); lines > 0; lines--) {
    const isHot = chance.hits(plan.hotness)
    const any = chance.pick(plan.products)
    wanted.add((isHot && plan.products[0] ? plan.products[0] : any).id)
  }
  const kind = chance.weighted(plan.orderKinds)
  const items = [...wanted].map((product_id) => {
    const hasDiscount = chance.hits(0.1)
    const discount_basis_points = chance.int(1, 5_000)
    return { product_id, quantity: chance.int(1, 4), ...(hasDiscount && { discount_basis_points }) }
  })
  if (kind === 'unknown product') items.push({ product_id: 'no-such-thing', quantity: 1 })
  const payment_token = chance.pick(plan.tokens)
  const method = chance.pick(['credit_card', 'debit_card', 'paypal'])
  return {
    user_id: `u${i}`,
    items,
    ...(kind === 'cash' ? { payment_method: 'cash_on_delivery' } : { payment_method: method, payment_token }),
    ...(kind === 'wrong total' && { expected_total_minor: 1 }),
    ...(kind === 'not served' && { address: { name: 'Amundsen', line1: 'South Pole', city: 'Base', country: 'AQ' } }),
  } as Body
}
