import type { Check } from './check.ts'

/** Invariants of shipments. */

export const shipmentChecks: readonly Check[] = [
  {
    id: 'I18',
    promise: 'P4',
    kind: 'at rest',
    on: 'copies',
    about: 'orders',
    title: 'a confirmed, dispatched or delivered order has one live set of shipments with exactly its items, any other order none',
    query: `
      select o.id as order_id, o.status, o.contents, s.decision, coalesce(s.live, 0) as live_shipments, s.contents as shipped
      from o_orders o left join s_orders s on s.order_id = o.id
      where o.at_rest and o.status <> 'returned'
        and case when o.status in ('confirmed', 'dispatched', 'delivered')
          then (s.decision, s.contents) is distinct from ('created', o.contents) or s.live <> s.live_locations
          else s.live > 0 end`,
  },
  {
    id: 'I37',
    promise: 'P4',
    kind: 'always',
    on: 'shipping',
    about: 'shipments',
    title: 'a tracking number belongs to one shipment',
    query: `
      select carrier, tracking_number, count(*) as shipments, min(order_id::text) as order_id from shipments
      where tracking_number <> '' group by carrier, tracking_number having count(*) > 1`,
  },
  {
    id: 'I38',
    promise: 'P4',
    kind: 'always',
    on: 'shipping',
    about: 'shipments',
    title: "an order's shipments are all booked, all called off or all asked for, as was decided; booked ones can be tracked",
    query: `
      select coalesce(d.order_id, s.order_id) as order_id, d.status as decision, s.number, s.status, s.carrier, s.tracking_number
      from order_shipments d full join shipments s on s.order_id = d.order_id
      where d.order_id is null
        or case d.status
          when 'requested' then s.status is distinct from 'requested'
          when 'created' then s.status is null or s.status not in ('created', 'dispatched', 'delivered') or coalesce(s.carrier, '') = '' or coalesce(s.tracking_number, '') = ''
          else s.status is not null and s.status <> 'cancelled' end`,
  },
  {
    id: 'I39',
    promise: 'P1',
    kind: 'always',
    on: 'shipping',
    about: 'shipments',
    title: 'every dispatch and every delivery is on record, once, to be told to orders',
    query: `
      select coalesce(s.order_id, f.order_id) as order_id, coalesce(s.number, f.number) as number, s.status, f.dispatched, f.delivered
      from (select * from shipments where status in ('dispatched', 'delivered')) s full join (
        select order_id, number, count(*) filter (where status = 'dispatched') as dispatched, count(*) filter (where status = 'delivered') as delivered
        from facts group by order_id, number) f on f.order_id = s.order_id and f.number = s.number
      where (f.dispatched, f.delivered) is distinct from (1, case when s.status = 'delivered' then 1 else 0 end) or s.order_id is null`,
  },
  {
    id: 'I40',
    promise: 'P6',
    kind: 'at rest',
    on: 'shipping',
    about: 'shipments',
    title: 'orders was told of every dispatch and delivery, and the carrier of all that is called off',
    query: `
      select order_id, number, 'orders does not know: ' || status as waits, at from facts where told_at is null
      union all
      select order_id, null, 'the carrier does not know: called off', created_at from order_shipments where carrier_cancel_due`,
  },
  {
    id: 'I41',
    promise: 'P4',
    kind: 'at rest',
    on: 'copies',
    about: 'shipments',
    title: 'what an order shows of its shipments is what shipping says',
    query: `
      select o.id as order_id, o.status, coalesce(shown.id, s.id) as shipment_id, shown.status as shown_status, s.status as shipment_status,
             shown.tracking_number as shown_tracking_number, s.tracking_number, shown.contents as shown_contents, s.contents
      from o_shipments shown full join s_shipments s on s.id = shown.id
      join o_orders o on o.id = coalesce(shown.order_id, s.order_id)
      where o.at_rest
        and case when shown.id is null then s.status <> 'cancelled'
          else (shown.order_id, shown.status, shown.location_id, shown.carrier, shown.tracking_number, shown.contents)
            is distinct from (s.order_id, s.status, s.location_id, s.carrier, s.tracking_number, s.contents)
            or shown.stock_committed <> (s.status in ('dispatched', 'delivered')) end`,
  },
  {
    id: 'I42',
    promise: 'P4',
    kind: 'at rest',
    on: 'copies',
    about: 'orders',
    title: 'an order is dispatched when one of its shipments has left, delivered when all have arrived, confirmed before',
    query: `
      select o.id as order_id, o.status, s.live as shipments, s.dispatched, s.delivered
      from o_orders o join s_orders s on s.order_id = o.id
      where o.at_rest and o.status <> 'returned'
        and o.status is distinct from case
          when s.live > 0 and s.delivered = s.live then 'delivered' when s.dispatched + s.delivered > 0 then 'dispatched'
          when o.status in ('dispatched', 'delivered') then 'confirmed' else o.status end`,
  },
  {
    id: 'I43',
    promise: 'P2',
    kind: 'at rest',
    on: 'copies',
    about: 'orders',
    title: 'shipments leave from the locations where the stock is reserved',
    query: `
      select o.id as order_id, o.status, r.by_location as reserved, s.by_location as shipped
      from o_orders o left join i_reservations r on r.order_id = o.id left join s_orders s on s.order_id = o.id
      where o.at_rest and o.status in ('confirmed', 'dispatched', 'delivered') and r.by_location is distinct from s.by_location`,
  },
]
