import type { OwnerName } from '../platform/config.ts'
import type { Subject } from './check.ts'

/**
 * What the checks that span databases need of each, as one row per order, charge or shipment. What is in an order, a reservation or a
 * shipment becomes one text (`a1×2, b2×1`), so that comparing items is comparing texts, and none of it needs a row per item.
 */
export type CopiedTable = { name: string; from: OwnerName; columns: string; select: string }

/**
 * By order: its contents, where they lie and what they cost, each as one canonical text, in byte order whatever the collation of the
 * database. One pass over all of `parts` (order_id, location_id, product_id, quantity, unit_price_minor): 2.4 s for 200,000 parts on a
 * busy machine, where a subquery per order took 6 s to 15 s.
 */
const textsByOrder = (parts: string) => `
      select order_id, string_agg(distinct content, ', ' order by content) as contents, string_agg(distinct place, ', ' order by place) as by_location,
             string_agg(distinct price, ', ' order by price) as prices
      from (
        select order_id, (product_id || '×' || sum(quantity) over (partition by order_id, product_id)) collate "C" as content,
               (location_id || ': ' || product_id || '×' || sum(quantity) over (partition by order_id, product_id, location_id)) collate "C" as place,
               (product_id || ' at ' || unit_price_minor) collate "C" as price
        from (${parts}) p) t
      group by order_id`

/** The contents of one shipment, from its column `items`. */
const CONTENTS = `(select string_agg(product_id || '×' || quantity, ', ' order by product_id collate "C", quantity)
              from jsonb_to_recordset(s.items) as item(product_id text, quantity bigint)) as contents`

/** In the order of copying: orders last, so that whatever was done for an order finds its order here. */
export const COPIED_TABLES: readonly CopiedTable[] = [
  {
    name: 'i_reservations',
    from: 'inventory',
    columns: 'order_id uuid, status text, currency text, contents text, by_location text, prices text, left_from text',
    select: `
      select r.order_id, r.status, r.currency, i.contents, i.by_location, i.prices,
             (select string_agg(location_id, ', ' order by location_id collate "C") from unnest(r.committed_locations) as c(location_id)) as left_from
      from reservations r left join (${textsByOrder(`
        select r.order_id, part.location_id, item.product_id, part.quantity, item.unit_price_minor
        from reservations r cross join lateral jsonb_to_recordset(r.items) as item(product_id text, unit_price_minor bigint, allocations jsonb)
        cross join lateral jsonb_to_recordset(item.allocations) as part(location_id text, quantity bigint)`)}) i on i.order_id = r.order_id`,
  },
  {
    name: 'p_payments',
    from: 'payment',
    columns:
      'order_id uuid, status text, method text, amount_minor bigint, currency text, captured_minor bigint, refunded_minor bigint, refunds_pending bigint',
    select: `
      select p.order_id, p.status, p.method, p.amount_minor, p.currency, p.captured_minor, p.refunded_minor, coalesce(r.pending, 0) as refunds_pending
      from payments p left join (select order_id, count(*) as pending from refunds where status = 'pending' group by 1) r on r.order_id = p.order_id`,
  },
  {
    name: 'psp_charges',
    from: 'payment',
    columns: 'ref text, order_ref text, status text, amount_minor bigint, refunded_minor bigint, currency text',
    select: 'select ref, order_ref, status, amount_minor, refunded_minor, currency from simulated_provider.charges',
  },
  {
    name: 's_orders',
    from: 'shipping',
    columns: `order_id uuid, decision text, live bigint, live_locations bigint, dispatched bigint, delivered bigint, left_from text, untold bigint,
              contents text, by_location text`,
    select: `
      select d.order_id, d.status as decision, coalesce(n.live, 0) as live, coalesce(n.live_locations, 0) as live_locations,
             coalesce(n.dispatched, 0) as dispatched, coalesce(n.delivered, 0) as delivered, n.left_from, coalesce(f.untold, 0) as untold, i.contents, i.by_location
      from order_shipments d
      left join (
        select order_id, count(*) filter (where status <> 'cancelled') as live, count(distinct location_id) filter (where status <> 'cancelled') as live_locations,
               count(*) filter (where status = 'dispatched') as dispatched, count(*) filter (where status = 'delivered') as delivered,
               string_agg(location_id, ', ' order by location_id collate "C") filter (where status in ('dispatched', 'delivered')) as left_from
        from shipments group by order_id) n on n.order_id = d.order_id
      left join (select order_id, count(*) as untold from facts where told_at is null group by order_id) f on f.order_id = d.order_id
      left join (${textsByOrder(`
        select s.order_id, s.location_id, item.product_id, item.quantity, 0 as unit_price_minor
        from shipments s cross join lateral jsonb_to_recordset(s.items) as item(product_id text, quantity bigint)
        where s.status <> 'cancelled'`)}) i on i.order_id = d.order_id`,
  },
  {
    name: 's_shipments',
    from: 'shipping',
    columns: 'id text, order_id uuid, status text, location_id text, carrier text, tracking_number text, contents text',
    select: `
      select s.order_id || '-' || s.number as id, s.order_id, s.status, s.location_id, coalesce(s.carrier, '') as carrier,
             coalesce(s.tracking_number, '') as tracking_number, ${CONTENTS}
      from shipments s`,
  },
  {
    name: 'o_orders',
    from: 'orders',
    columns: `id uuid, status text, currency text, total_minor bigint, payment_method text, rejected_by text, payment_status text, payment_amount_minor bigint,
              contents text, prices text, at_rest boolean`,
    // At rest: it was so before the first of the other databases was read, and orders knows all that shipping did by then. Its
    // effects are then all in the copies, also while other orders go on.
    select: `
      select o.id, o.status, o.currency, o.total_minor, o.payment_method, o.rejected_by, o.payment->>'status' as payment_status,
             (o.payment->>'amount_minor')::bigint as payment_amount_minor, i.contents, i.prices,
             o.work is null and o.updated_at < (select at from began) and coalesce(s.untold, 0) = 0 as at_rest
      from orders o left join s_orders s on s.order_id = o.id
      left join (${textsByOrder(`
        select o.id as order_id, '' as location_id, item.product_id, item.quantity, item.unit_price_minor
        from orders o cross join lateral jsonb_to_recordset(o.items) as item(product_id text, quantity bigint, unit_price_minor bigint)`)}) i on i.order_id = o.id`,
  },
  {
    name: 'o_shipments',
    from: 'orders',
    columns:
      'order_id uuid, id text, status text, location_id text, carrier text, tracking_number text, stock_committed boolean, contents text',
    select: `
      select o.id as order_id, s.id, s.status, s.location_id, coalesce(s.carrier, '') as carrier, coalesce(s.tracking_number, '') as tracking_number,
             s.stock_committed, ${CONTENTS}
      from orders o cross join lateral jsonb_to_recordset(o.shipments) as s(
        id text, status text, location_id text, carrier text, tracking_number text, items jsonb, stock_committed boolean)`,
  },
]

/** How many there are of what checks are about. */
export const SUBJECTS: Record<Subject, { on: OwnerName; query: string }> = {
  orders: { on: 'orders', query: 'select count(*) as count from orders' },
  events: { on: 'orders', query: 'select count(*) as count from order_events' },
  stock: { on: 'inventory', query: 'select count(*) as count from stock' },
  movements: { on: 'inventory', query: 'select count(*) as count from movements' },
  reservations: { on: 'inventory', query: 'select count(*) as count from reservations' },
  payments: { on: 'payment', query: 'select count(*) as count from payments' },
  charges: { on: 'payment', query: 'select count(*) as count from simulated_provider.charges' },
  shipments: { on: 'shipping', query: 'select count(*) as count from shipments' },
}
