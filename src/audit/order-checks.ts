import type { Check } from './check.ts'

/** Invariants of orders and their history. */

// What each deciding event makes of an order. The others (parked, undone, settled, …) decide nothing.
const DECISIONS = `
    select id, order_id, case type
      when 'order.accepted' then 'pending' when 'order.confirmed' then 'confirmed' when 'order.rejected' then 'rejected'
      when 'order.cancelled' then 'cancelled' when 'order.returned' then 'returned' else data->>'order_status' end as status
    from order_events
    where type in ('order.accepted', 'order.confirmed', 'order.rejected', 'order.cancelled', 'order.returned', 'shipment.dispatched', 'shipment.delivered')`

export const orderChecks: readonly Check[] = [
  {
    id: 'I02',
    promise: 'P6',
    kind: 'at rest',
    on: 'orders',
    about: 'orders',
    title: 'no order is pending or has work left, unless it lies on the dead-letter desk',
    query: `
      select id as order_id, status, work, waiting_service, waiting_reason, attempts, created_at
      from orders where (work is not null or status = 'pending') and dead_at is null order by created_at`,
  },
  {
    id: 'I03',
    promise: 'P5',
    kind: 'always',
    on: 'orders',
    about: 'orders',
    title: 'an idempotency key belongs to one order',
    query: `
      select idempotency_key, count(*) as orders, min(id::text) as order_id from orders
      where idempotency_key is not null group by idempotency_key having count(*) > 1`,
  },
  {
    id: 'I20',
    promise: 'P1',
    kind: 'always',
    on: 'orders',
    about: 'events',
    title: 'every order was accepted exactly once, and that is where its history begins',
    query: `
      select coalesce(o.id, e.order_id) as order_id, o.id is not null as order_exists, coalesce(e.accepted, 0) as accepted_events,
             e.first_accepted = e.first as begins_with_it
      from orders o full join (
        select order_id, count(*) filter (where type = 'order.accepted') as accepted,
               min(id) as first, min(id) filter (where type = 'order.accepted') as first_accepted
        from order_events group by order_id) e on e.order_id = o.id
      where o.id is null or e.accepted is distinct from 1 or e.first_accepted is distinct from e.first`,
  },
  {
    id: 'I25',
    promise: 'P1',
    kind: 'always',
    on: 'orders',
    about: 'events',
    title: 'the history of an order takes only steps that its life allows',
    query: `
      with steps as (
        select order_id, lag(status) over (partition by order_id order by id) as before, status from (${DECISIONS}) d
      )
      select order_id, before, status from steps
      where before is distinct from status and (coalesce(before, ''), coalesce(status, '')) not in (
        ('', 'pending'), ('pending', 'confirmed'), ('pending', 'rejected'), ('pending', 'cancelled'), ('confirmed', 'dispatched'),
        ('confirmed', 'delivered'), ('confirmed', 'cancelled'), ('dispatched', 'delivered'), ('dispatched', 'returned'), ('delivered', 'returned'))`,
  },
  {
    id: 'I26',
    promise: 'P1',
    kind: 'always',
    on: 'orders',
    about: 'orders',
    title: 'the last deciding event of an order tells its status',
    query: `
      select o.id as order_id, o.status, d.status as told
      from orders o left join (
        select distinct on (order_id) order_id, status from (${DECISIONS}) all_of_them order by order_id, id desc) d on d.order_id = o.id
      where d.status is distinct from o.status`,
  },
  {
    id: 'I27',
    promise: 'P3',
    kind: 'always',
    on: 'orders',
    about: 'orders',
    title: 'amounts are quantity × price less discount, rounded half up, and the total is their sum plus freight',
    query: `
      select o.id as order_id, o.status, o.currency, o.total_minor, i.sum_minor + o.freight_minor as adds_up_to, i.wrong_amounts
      from orders o cross join lateral (
        select coalesce(sum(amount_minor), 0) as sum_minor, bool_or(unit_price_minor > 0) as has_prices,
               count(*) filter (where amount_minor <> div(quantity::numeric * unit_price_minor * (10000 - discount_basis_points) + 5000, 10000)) as wrong_amounts
        from jsonb_to_recordset(o.items) as i(quantity bigint, unit_price_minor bigint, discount_basis_points bigint, amount_minor bigint)) i
      where i.wrong_amounts > 0
        -- Priced when the stock is reserved; until then there is no price and no total.
        or ((has_prices or total_minor <> 0 or status in ('confirmed', 'dispatched', 'delivered', 'returned')) and o.total_minor <> i.sum_minor + o.freight_minor)
        or (status in ('confirmed', 'dispatched', 'delivered', 'returned') and currency !~ '^[A-Z]{3}$')`,
  },
  {
    id: 'I29',
    promise: 'P6',
    kind: 'always',
    on: 'orders',
    about: 'orders',
    title: 'an order with nothing left to do waits for nobody',
    query: `
      select id as order_id, status, waiting_service, waiting_reason, waiting_since, attempts from orders
      where work is null and (due_at is not null or waiting_service is not null or waiting_reason is not null or waiting_since is not null or attempts <> 0)`,
  },
  {
    id: 'I44',
    promise: 'P6',
    kind: 'always',
    on: 'orders',
    about: 'orders',
    title:
      'an order on the dead-letter desk says what could not be done, why and since when, has it in its history, and is never taken up by itself',
    query: `
      select o.id as order_id, o.status, o.work, o.dead_at, o.dead_reason, o.due_at from orders o
      where (dead_at is not null or dead_reason is not null)
        and (dead_at is null or coalesce(dead_reason, '') = '' or work is null or due_at is distinct from 'infinity' or not exists (
          select 1 from order_events e where e.order_id = o.id and e.type = 'order.dead'))`,
  },
  {
    id: 'I30',
    promise: 'P6',
    kind: 'always',
    on: 'orders',
    about: 'orders',
    title: 'a rejected order, and no other, says who rejected it and why',
    query: `
      select id as order_id, status, rejected_by, rejection_code, rejection_message from orders
      where (status = 'rejected') <> (rejected_by is not null and rejection_code is not null)
        or (status <> 'rejected' and (rejected_by is not null or rejection_code is not null or rejection_message is not null))`,
  },
  {
    id: 'I19',
    promise: 'P1',
    kind: 'at rest',
    on: 'copies',
    about: 'orders',
    title: 'nothing is reserved, charged or shipped for an order that does not exist',
    query: `
      select effects.* from (
        select 'reservation' as effect, order_id::text as order_id, status from i_reservations where status in ('held', 'committed', 'released')
        union all select 'payment', order_id::text, status from p_payments where method <> ''
        -- a tombstone whose charge was let go on a person's word, after a restore, keeps no money
        union all select 'charge', c.order_ref, c.status from psp_charges c left join p_payments t on t.order_id::text = c.order_ref and t.method = ''
          where t.order_id is null or c.status = 'authorised' or (c.status = 'captured' and c.refunded_minor < c.amount_minor)
        union all select 'shipment', order_id::text, status from s_shipments
      ) effects left join o_orders o on o.id::text = effects.order_id where o.id is null`,
  },
]
