import type { Order } from '../../src/orders/order.ts'
import type { Services } from '../../src/orders/place-order.ts'
import { done, type Outcome, refused } from '../../src/platform/outcome.ts'
import { reservedFor, type StepName, shipmentsFor } from './examples.ts'
import { gate } from './running.ts'

/**
 * The other services as they are to orders: each keeps its first decision about an order and repeats it, an undo that comes first leaves a tombstone, and what
 * has left can't be called off. Shared by all processes of a test, so that what one does late meets what another has done.
 */
export class World {
  readonly stock = new Map<string, 'held' | 'released' | 'committed' | 'refused'>()
  readonly money = new Map<string, 'authorised' | 'voided' | 'captured' | 'declined'>()
  readonly parcels = new Map<string, 'booked' | 'off' | 'left' | 'refused'>()
  refuses: 'reserveStock' | 'authorisePayment' | 'createShipments' | undefined

  readonly services: Services = {
    reserveStock: async (order) => {
      if (!this.stock.has(order.id)) this.stock.set(order.id, this.refuses === 'reserveStock' ? 'refused' : 'held')
      const state = this.stock.get(order.id)
      return state === 'held' || state === 'committed' ? done(reservedFor(order)) : refused('out_of_stock', `the stock is ${state}`)
    },
    releaseStock: (order) => undo(this.stock, order, { from: 'held', to: 'released', gone: 'committed' }),
    commitStock: (order) => go(this.stock, order, { from: 'held', to: 'committed' }),
    authorisePayment: async (order) => {
      if (!this.money.has(order.id)) this.money.set(order.id, this.refuses === 'authorisePayment' ? 'declined' : 'authorised')
      const state = this.money.get(order.id)
      return state === 'authorised' || state === 'captured' ? done({}) : refused('payment_declined', `the payment is ${state}`)
    },
    voidPayment: (order) => undo(this.money, order, { from: 'authorised', to: 'voided', gone: 'captured' }),
    capturePayment: (order) => go(this.money, order, { from: 'authorised', to: 'captured' }),
    createShipments: async (order, parcels) => {
      if (!this.parcels.has(order.id)) this.parcels.set(order.id, this.refuses === 'createShipments' ? 'refused' : 'booked')
      const state = this.parcels.get(order.id)
      return state === 'booked' || state === 'left' ? done(shipmentsFor(order, parcels)) : refused('carrier_refused', `they are ${state}`)
    },
    cancelShipments: (order) => undo(this.parcels, order, { from: 'booked', to: 'off', gone: 'left' }),
  }

  dispatch = (orderId: string) => this.parcels.set(orderId, 'left')
  of = (id: string) => [this.stock.get(id) ?? 'nothing', this.money.get(id) ?? 'nothing', this.parcels.get(id) ?? 'nothing']
}

type Undo<S> = { from: S; to: S; gone: S }

async function undo<S>(states: Map<string, S>, order: Order, { from, to, gone }: Undo<S>): Promise<Outcome<unknown>> {
  const state = states.get(order.id)
  if (state === gone) return refused('already_dispatched', `it is ${gone}`)
  if (state === from || state === undefined) states.set(order.id, to)
  return done({})
}

async function go<S>(states: Map<string, S>, order: Order, { from, to }: { from: S; to: S }): Promise<Outcome<unknown>> {
  const state = states.get(order.id)
  if (state !== from && state !== to) return refused('not_possible', `it is ${state}`)
  states.set(order.id, to)
  return done({})
}

export type When = 'before' | 'after'

/** The services as a process sees them that is paused at one step: its call is sent late, or its answer comes late. Only the first call of that step. */
export function pausedAt(services: Services, step: StepName, when: When): { services: Services; asleep: Promise<void>; wake(): void } {
  const { open: wake, passed } = gate()
  const { open: tell, passed: asleep } = gate()
  let isFirst = true
  const call = services[step] as (order: Order, detail: never) => Promise<Outcome<never>>
  const paused = async (order: Order, detail: never) => {
    if (!isFirst) return call(order, detail)
    isFirst = false
    const answer = when === 'after' ? await call(order, detail) : undefined
    tell()
    await passed
    return answer ?? call(order, detail)
  }
  return { services: { ...services, [step]: paused }, asleep, wake }
}
