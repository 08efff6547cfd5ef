import type { Log } from '../platform/log.ts'
import { type Answer, done, refused, unknown } from '../platform/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import type { Coordinator } from './coordinator.ts'
import { type Change, type Order, tellable } from './order.ts'
import * as store from './store.ts'

const SAVE_TRIES = 10

/**
 * Changes an order that others may change too: reads, decides, writes if nothing moved, and else begins again. Then runs what there is to
 * do, and answers how the order stands.
 */
export async function changeOrder(
  { db, coordinator, log }: { db: Database; coordinator: Coordinator; log: Log },
  orderId: string,
  decide: (order: Order) => Change | Answer<Order>,
): Promise<Answer<Order>> {
  for (let tries = 0; tries < SAVE_TRIES; tries++) {
    const order = (await store.getOrders(db, [orderId])).get(orderId)
    if (!order) return refused('unknown_order', `there is no order ${orderId}`)
    const decision = decide(order)
    if ('kind' in decision) return decision
    const saved = await coordinator.save(decision)
    if (saved) {
      log.info({ order_id: orderId, request_id: order.request_id, ...(decision.event && tellable(decision.event)) }, decision.event?.type)
      return done(await coordinator.run(saved))
    }
  }
  return unknown(`order ${orderId} changes too often just now; try again`)
}
