import { placeCommand } from '../../../src/gateway/place-command.ts'
import type { Order } from '../../../src/gen/comanda/v1/orders.ts'
import type { Answer } from '../../../src/platform/outcome.ts'
import type { Chance } from '../world/chance.ts'
import type { World } from '../world/world.ts'
import { type Edge, pause } from './edge.ts'
import type { Entry, Journal } from './journal.ts'

/** What a customer does; it writes down every answer. */

export type Body = Parameters<typeof placeCommand>[0]
const TRIES = 12
const WAIT_MS = 5_000

export class Customer {
  readonly #world: World
  readonly #edge: Edge
  readonly #journal: Journal
  readonly #waits: boolean

  constructor(world: World, edge: Edge, { journal, waits }: { journal: Journal /** For the end of the order. */; waits: boolean }) {
    this.#world = world
    this.#edge = edge
    this.#journal = journal
    this.#waits = waits
  }

  async place(body: Body, entry: Entry, chance: Chance): Promise<void> {
    for (let tries = 1; tries <= TRIES; tries++) {
      const askedAt = this.#world.now
      const answer = await this.#post(body, entry.key).catch(() => undefined)
      if (answer?.kind === 'refused') {
        entry.refusal = answer.code
        return
      }
      if (answer?.kind === 'done') {
        entry.isAccepted = true
        return this.#saw(entry, answer.value, askedAt)
      }
      await pause(chance.between(0.2, 1) * Math.min(30_000, 250 * 2 ** tries))
    }
  }

  /** As the gateway's route does it. */
  #post(body: Body, key: string): Promise<Answer<Order>> {
    return this.#edge.ask(async (clients) => {
      const { accepted, ended } = await clients.placeOrder(placeCommand(body, { requestId: `r-${key}`, key }))
      if (accepted.kind !== 'done' || accepted.value.status !== 'pending' || !this.#waits) return accepted
      const end = await Promise.race([ended, pause(WAIT_MS).then(() => undefined)])
      const order = end ?? (await clients.getOrder(accepted.value.id).catch(() => undefined))
      return order ? { kind: 'done', value: order } : accepted
    })
  }

  async reuseKey(body: Body, entry: Entry): Promise<void> {
    const answer = await this.#post({ ...body, user_id: `${body.user_id}-other` }, entry.key).catch(() => undefined)
    if (answer?.kind === 'done') entry.wrongBodyTaken = true
  }

  async cancel(entry: Entry, chance: Chance, orderId = [...entry.orderIds][0] ?? ''): Promise<void> {
    const command = { orderId, requestId: `c-${entry.key}`, traceparent: '', reason: 'changed my mind' }
    for (let tries = 1; tries <= 3; tries++) {
      const askedAt = this.#world.now
      const answer = await this.#edge.ask((clients) => clients.cancelOrder(command)).catch(() => undefined)
      if (answer?.kind === 'done') {
        entry.isCancelled = true
        return this.#saw(entry, answer.value as Order, askedAt)
      }
      if (answer?.kind === 'refused') return
      await pause(chance.exponential(2_000))
    }
  }

  async look(entry: Entry): Promise<void> {
    const [orderId = ''] = entry.orderIds
    const askedAt = this.#world.now
    const order = await this.#edge.ask((clients) => clients.getOrder(orderId)).catch(() => null)
    if (order) this.#saw(entry, order, askedAt)
    if (order === undefined) this.#journal.wrong.push(`order ${orderId} was accepted, and then could not be found`)
  }

  #saw(entry: Entry, order: Order, askedAt: number): void {
    entry.orderIds.add(order.id)
    entry.seen.push({ askedAt, at: this.#world.now, status: order.status })
  }
}
