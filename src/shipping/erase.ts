import { type Answer, done, refused } from '../platform/outcome.ts'
import { type Database, sql } from '../platform/postgres.ts'
import type { ShipmentRow } from './store.ts'

/** In the place of what told where a parcel went. The country stays: it tells of nobody. */
const ERASED = '[erased]'

/**
 * Forgets to whom the shipments of these orders went, and what a refusal said: one statement, one commit. An order with a shipment that is still to leave or to arrive
 * is refused. An order never seen here has nothing to forget: done.
 * @returns an answer for each, in turn.
 */
export async function eraseShipments(db: Database, orderIds: readonly string[]): Promise<Answer<ShipmentRow[]>[]> {
  const under = await db.query<{ order_id: string }>(sql`
    with decided as (
      select order_id from order_shipments where order_id = any(${[...new Set(orderIds)]}::uuid[]) order by order_id for update
    ), under_way as (
      select distinct order_id from shipments s join decided using (order_id) where s.status in ('requested', 'created', 'dispatched')
    ), ended as (
      select order_id from decided d where not exists (select from under_way u where u.order_id = d.order_id)
    ), told as (
      update order_shipments o set refusal_message = ${ERASED} from ended where o.order_id = ended.order_id and o.refusal_message is not null
    ), sent as (
      update shipments s
      set address = jsonb_build_object('name', ${ERASED}::text, 'line1', ${ERASED}::text, 'line2', '', 'city', ${ERASED}::text, 'region', '',
                                       'postal_code', '', 'country', s.address ->> 'country')
      from ended where s.order_id = ended.order_id and s.address is not null
    )
    select order_id from under_way`)
  const isUnderWay = new Set(under.map(({ order_id }) => order_id))
  return orderIds.map((orderId) =>
    isUnderWay.has(orderId) ? refused('not_dispatched', `order ${orderId} has a shipment that has not arrived`) : done([]),
  )
}
