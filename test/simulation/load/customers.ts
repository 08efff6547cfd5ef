import type { System } from '../system/system.ts'
import type { Chance } from '../world/chance.ts'
import { type Body, Customer } from './customer.ts'
import { Edge, pause } from './edge.ts'
import { type Journal, newEntry } from './journal.ts'
import type { Plan } from './plan.ts'

/** Customers: each wants one order, and asks with the same key until it gets an answer. */

export class Customers {
  readonly #plan: Plan
  readonly #journal: Journal
  readonly #customer: Customer
  #active = 0

  constructor(system: System, plan: Plan, journal: Journal) {
    this.#plan = plan
    this.#journal = journal
    const process = system.world.process('customers', 1)
    process.isMortal = false
    this.#customer = new Customer(system.world, new Edge(system, process), { journal, waits: plan.waits })
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
    const again = isDouble ? pause(chance.between(0, 30)).then(() => this.#customer.place(body, entry, chance)) : undefined
    await Promise.all([this.#customer.place(body, entry, chance), again])
    if (!entry.isAccepted) return
    if (chance.hits(0.1)) await this.#customer.reuseKey(body, entry)
    if (chance.hits(this.#plan.cancels)) {
      await pause(chance.hits(0.5) ? chance.between(0, 50) : chance.exponential(3_000))
      await this.#customer.cancel(entry, chance)
    }
    for (let looks = chance.int(0, 3); looks > 0; looks--) {
      await pause(chance.exponential(2_000))
      await this.#customer.look(entry)
    }
    // Long after, as after a lost mobile connection: the same order again.
    if (chance.hits(0.2)) await this.#customer.place(body, entry, chance)
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
