import type { Log } from '../platform/log.ts'
import { type Answer, done, refused, unknown } from '../platform/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import { changeOrder } from './change.ts'
import type { Coordinator } from './coordinator.ts'
import { type Order, recordShipment } from './order.ts'

/** What shipping tells: a shipment has left, or has arrived. Repeats change nothing, in whatever order they come. */
export type ShipmentTold = { orderId: string; shipmentId: string; status: string }

/** One after the other where they are of one order; the writes of different orders are batched. @returns an answer for each, in turn. */
export async function recordFacts(
  around: { db: Database; coordinator: Coordinator; log: Log },
  facts: readonly ShipmentTold[],
): Promise<Answer<Order>[]> {
  const answers = new Map<ShipmentTold, Answer<Order>>()
  await Promise.all(
    [...Map.groupBy(facts, (fact) => fact.orderId).values()].map(async (list) => {
      for (const fact of list) answers.set(fact, await changeOrder(around, fact.orderId, (order) => decide(order, fact)))
    }),
  )
  return facts.map((fact) => answers.get(fact) as Answer<Order>)
}

const isTold = (status: string): status is 'dispatched' | 'delivered' => status === 'dispatched' || status === 'delivered'

function decide(order: Order, { shipmentId, status }: ShipmentTold): ReturnType<Parameters<typeof changeOrder>[2]> {
  // Dispatched between our booking and our confirming: shipping tells us again when we know of it ourselves.
  if (order.status === 'pending') return unknown(`order ${order.id} is not confirmed yet`)
  // Shipping is of a newer version: it tells again, and perhaps another instance, until one of us knows what that means.
  if (!isTold(status)) return unknown(`this version does not know what it means that a shipment is ${status}`)
  if (!order.shipments.some((shipment) => shipment.id === shipmentId))
    return refused('unknown_shipment', `order ${order.id} has no shipment ${shipmentId}`)
  if (order.status === 'cancelled' || order.status === 'rejected') return refused('order_ended', `order ${order.id} is ${order.status}`)
  return recordShipment(order, { shipmentId, status }) ?? done(order)
}
