import type { System } from '../system/system.ts'
import type { Chance } from '../world/chance.ts'
import type { SimulatedProcess } from '../world/process.ts'
import { Edge, pause } from './edge.ts'
import type { Journal } from './journal.ts'
import type { Plan } from './plan.ts'

/** The people who restock, dispatch and deliver: they work on what they see, and repeat what was not answered. */
export class Warehouse {
  readonly #system: System
  readonly #plan: Plan
  readonly #journal: Journal
  readonly #process: SimulatedProcess
  readonly #edge: Edge
  readonly #chance: Chance
  readonly #dispatched = new Set<string>()
  #active = 0

  constructor(system: System, plan: Plan, journal: Journal) {
    this.#system = system
    this.#plan = plan
    this.#journal = journal
    this.#chance = plan.chance.split('warehouse')
    this.#process = system.world.process('warehouse', 1)
    this.#process.isMortal = false
    this.#edge = new Edge(system, this.#process)
    for (let i = 0; i < plan.restocks; i++) {
      this.#work(this.#chance.next() * plan.arrivalMs, () => this.#restock(i, this.#chance.split(`restock/${i}`)))
    }
    if (plan.dispatches > 0) this.#work(plan.arrivalMs * 0.1, () => this.#dispatchAll(this.#chance.split('dispatch')))
  }

  get isDone(): boolean {
    return this.#active === 0
  }

  #work(ms: number, work: () => Promise<void>): void {
    this.#active++
    this.#system.world.plan(ms, this.#process, () => void work().finally(() => this.#active--))
  }

  /** The same receipt, until it is answered: once is what counts. */
  async #restock(i: number, chance: Chance): Promise<void> {
    const product = chance.pick(this.#plan.products)
    const locationId = chance.pick(product.stock).location_id
    const receipt = { receiptId: `receipt-${i}`, productId: product.id, locationId, quantity: chance.int(1, 20), reason: 'delivery' }
    const place = `${product.id} ${locationId}`
    this.#journal.received.set(place, (this.#journal.received.get(place) ?? 0) + receipt.quantity)
    for (;;) {
      const answer = await this.#edge.ask((clients) => clients.receiveStock(receipt)).catch(() => undefined)
      if (answer?.kind === 'done') return
      await pause(chance.between(100, 3_000))
    }
  }

  async #dispatchAll(chance: Chance): Promise<void> {
    const until = this.#plan.arrivalMs * 1.3
    while (this.#system.world.now < until) {
      await pause(chance.exponential(400))
      const entry = chance.pick(this.#journal.entries)
      const [orderId] = entry?.orderIds ?? []
      if (!orderId || !chance.hits(this.#plan.dispatches)) continue
      const order = await this.#edge.ask((clients) => clients.getOrder(orderId)).catch(() => undefined)
      for (const { id } of order?.shipments ?? []) if (chance.hits(0.8)) await this.#move(id, chance)
    }
  }

  async #move(shipmentId: string, chance: Chance): Promise<void> {
    const command = { shipmentId, requestId: `d-${shipmentId}` }
    const isDelivery = this.#dispatched.has(shipmentId) && chance.hits(0.6)
    const answer = await this.#edge
      .ask((clients) => (isDelivery ? clients.deliverShipment(command) : clients.dispatchShipment(command)))
      .catch(() => undefined)
    if (answer?.kind === 'done') this.#dispatched.add(shipmentId)
  }
}
