import { type Database, rows, sql } from '../platform/postgres.ts'
import { type Change, type Order, type OrderStatus, WORKS } from './order.ts'

/** Orders and their history. Each function takes many; accept and save are one statement, so one durable commit. */

const EVENTS_AT_MOST = 1_000

/**
 * Stores new orders with their idempotency keys and first events. An id or key that exists already is left alone.
 * @returns ids and times of those that were new.
 */
export function acceptOrders(
  db: Database,
  orders: readonly Order[],
  leaseMs: number,
): Promise<{ id: string; created_at: Date; due_at: Date }[]> {
  return db.query(sql`
    with accepted as (
      insert into orders (id, user_id, status, items, currency, freight_minor, expected_total_minor, payment_method, payment_token,
                          shipping_method, address, metadata, request_id, traceparent, idempotency_key, fingerprint, work, due_at)
      select id, user_id, 'pending', items, currency, freight_minor, expected_total_minor, payment_method, payment_token,
             shipping_method, address, metadata, request_id, traceparent, idempotency_key, fingerprint, 'place', now() + ${leaseMs} * interval '1 ms'
      from jsonb_to_recordset(${rows(orders)}) as r(
        id uuid, user_id text, items jsonb, currency text, freight_minor bigint, expected_total_minor bigint, payment_method text,
        payment_token text, shipping_method text, address jsonb, metadata jsonb, request_id text, traceparent text, idempotency_key text, fingerprint text)
      order by idempotency_key, id
      on conflict do nothing
      returning id, created_at, due_at, user_id, request_id
    ), told as (
      insert into order_events (order_id, type, data)
      select id, 'order.accepted', jsonb_build_object('user_id', user_id, 'request_id', request_id) from accepted
    )
    select id, created_at, due_at from accepted`)
}

export type Saved = { version: number; due_at: Date | null; updated_at: Date }

/**
 * Writes changes, each only if its order still has the version and epoch that the change was made from.
 * @returns for each change in turn: the new version and due time, or null when it was not written.
 */
export async function saveChanges(db: Database, changes: readonly Change[], leaseMs: number): Promise<(Saved | null)[]> {
  // `update … from` with two changes of one order would write either and tell both. Versions only grow, so of a batch only the newest can
  // still be right, and of equals the first, as if they had come one after the other.
  const chosen = new Map<string, Change>()
  for (const change of changes) {
    const rival = chosen.get(change.order.id)
    if (!rival || isNewer(change.order, rival.order)) chosen.set(change.order.id, change)
  }
  const list = [...chosen.values()].sort(byOrderId).map(({ order, dueInMs, event }) => ({
    ...changeable(order),
    due_in_ms: dueInMs === 0 ? leaseMs : dueInMs, // due now means: the one who writes this goes on with it
    event_type: event?.type,
    event_data: event?.data,
  }))
  const saved = await db.query<Saved & { id: string }>(sql`
    with change as (
      select * from jsonb_to_recordset(${rows(list)}) as r(
        id uuid, version bigint, epoch int, status text, items jsonb, currency text, total_minor bigint, payment jsonb, shipments jsonb,
        rejected_by text, rejection_code text, rejection_message text, work text, due_in_ms float8, attempts int,
        waiting_service text, waiting_reason text, waiting_since timestamptz, dead_at timestamptz, dead_reason text, cancel_reason text,
        event_type text, event_data jsonb)
    ), saved as (
      update orders o
      set status = c.status, items = c.items, currency = c.currency, total_minor = c.total_minor, payment = c.payment,
          shipments = c.shipments, rejected_by = c.rejected_by, rejection_code = c.rejection_code, rejection_message = c.rejection_message,
          work = c.work, due_at = case when c.dead_at is null then now() + c.due_in_ms * interval '1 ms' else 'infinity' end, attempts = c.attempts, waiting_service = c.waiting_service,
          waiting_reason = c.waiting_reason, waiting_since = c.waiting_since, dead_at = c.dead_at, dead_reason = c.dead_reason,
          cancel_reason = c.cancel_reason, version = o.version + 1, updated_at = now()
      from change c
      where o.id = c.id and o.version = c.version and o.epoch = c.epoch
      returning o.id, o.version, o.due_at, o.updated_at, c.event_type, c.event_data
    ), told as (
      insert into order_events (order_id, type, data)
      select id, event_type, coalesce(event_data, '{}') from saved where event_type is not null
    )
    select id, version, due_at, updated_at from saved`)
  const written = new Map(saved.map(({ id, ...row }) => [id, row]))
  return changes.map((change) => (chosen.get(change.order.id) === change && written.get(change.order.id)) || null)
}

// Rows are locked as they are listed: two processes that write the same orders in different orders would deadlock.
const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)
const byOrderId = (a: Change, b: Change) => byId(a.order, b.order)

const isNewer = (a: Order, b: Order) => a.version > b.version || (a.version === b.version && a.epoch > b.epoch)

/** What can change of an order; the rest is written once. */
function changeable(order: Order) {
  const { id, version, epoch, status, items, currency, total_minor, payment, shipments, rejected_by, rejection_code, rejection_message } =
    order
  const { work, attempts, waiting_service, waiting_reason, waiting_since, dead_at, dead_reason, cancel_reason } = order
  return {
    ...{ id, version, epoch, status, items, currency, total_minor, payment, shipments, rejected_by, rejection_code, rejection_message },
    ...{ work, attempts, waiting_service, waiting_reason, waiting_since, dead_at, dead_reason, cancel_reason },
  }
}

/**
 * Takes over orders whose lease or waiting time has run out, oldest first. Orders that another process is just taking are skipped; the epoch goes up, so
 * whatever the former owner still writes is refused. Of parked orders only those that wait for one of `services`.
 */
export function claimDueOrders(
  db: Database,
  { limit, leaseMs, services }: { limit: number; leaseMs: number; services: readonly string[] },
): Promise<Order[]> {
  return db.query<Order>(sql`
    with left_lying as (
      select id from orders where work is not null and work = any(${WORKS}::text[]) and waiting_service is null and due_at <= now() order by due_at limit ${limit}::int for update skip locked
    ), parked as (
      select p.id from unnest(${services}::text[]) as s(service) cross join lateral (
        select id from orders where work is not null and work = any(${WORKS}::text[]) and waiting_service is not null and waiting_service = s.service and due_at <= now()
        order by due_at limit ${limit}::int for update skip locked) p
    ), due as (select id from left_lying union all select id from parked limit ${limit}::int)
    update orders o set epoch = epoch + 1, due_at = now() + ${leaseMs} * interval '1 ms'
    from due where o.id = due.id
    returning o.*`)
}

/** Parked orders that are too old to wait any longer, also for a service that is still away: to be given up. Oldest first. */
export function claimAgedOrders(
  db: Database,
  { limit, leaseMs, maxAgeMs }: { limit: number; leaseMs: number; maxAgeMs: number },
): Promise<Order[]> {
  return db.query<Order>(sql`
    with aged as (
      select id from orders
      where work is not null and work = any(${WORKS}::text[]) and waiting_service is not null and due_at <= now()
        and case work when 'place' then created_at else waiting_since end < now() - ${maxAgeMs} * interval '1 ms'
      order by due_at limit ${limit}::int for update skip locked
    )
    update orders o set epoch = epoch + 1, due_at = now() + ${leaseMs} * interval '1 ms'
    from aged where o.id = aged.id
    returning o.*`)
}

/** Takes up these parkings, each only if nobody has touched the order since it was parked. */
export function claimParkedOrders(
  db: Database,
  parked: readonly { order_id: string; version: number; epoch: number }[],
  leaseMs: number,
): Promise<Order[]> {
  return db.query<Order>(sql`
    with claimed as (
      select o.id from jsonb_to_recordset(${rows(parked)}) as r(order_id uuid, version bigint, epoch int)
      join orders o on o.id = r.order_id and o.version = r.version and o.epoch = r.epoch
      where o.work is not null and o.work = any(${WORKS}::text[]) and o.dead_at is null order by o.id for update of o skip locked
    )
    update orders o set epoch = epoch + 1, due_at = now() + ${leaseMs} * interval '1 ms'
    from claimed where o.id = claimed.id
    returning o.*`)
}

/** Takes up orders that wait for this service, whenever their time is: something has happened there. */
export function claimWaitingOrders(
  db: Database,
  ids: readonly string[],
  { service, leaseMs }: { service: string; leaseMs: number },
): Promise<Order[]> {
  return db.query<Order>(sql`
    with claimed as (
      select id from orders where id = any(${ids}::uuid[]) and work is not null and work = any(${WORKS}::text[]) and waiting_service = ${service} and dead_at is null
      order by id for update skip locked
    )
    update orders o set epoch = epoch + 1, due_at = now() + ${leaseMs} * interval '1 ms'
    from claimed where o.id = claimed.id
    returning o.*`)
}

/** Keeps the lease of orders that this process still works on. */
export async function renewLeases(db: Database, orders: readonly { id: string; epoch: number }[], leaseMs: number): Promise<void> {
  await db.query(sql`
    update orders o set due_at = now() + ${leaseMs} * interval '1 ms'
    from jsonb_to_recordset(${rows(orders.map(({ id, epoch }) => ({ id, epoch })).sort(byId))}) as r(id uuid, epoch int)
    where o.id = r.id and o.epoch = r.epoch and o.work is not null and o.dead_at is null`)
}

export async function getOrders(db: Database, ids: readonly string[]): Promise<Map<string, Order>> {
  const found = await db.query<Order>(sql`select * from orders where id = any(${ids}::uuid[])`)
  return new Map(found.map((order) => [order.id, order]))
}

/** Orders under these idempotency keys. */
export async function getOrdersByKey(db: Database, keys: readonly string[]): Promise<Map<string, Order>> {
  const found = await db.query<Order>(
    sql`select * from orders where idempotency_key is not null and idempotency_key = any(${keys}::text[])`,
  )
  return new Map(found.map((order) => [order.idempotency_key as string, order]))
}

export type OrderQuery = {
  userId: string
  status: OrderStatus | ''
  from: Date | undefined
  to: Date | undefined
  before: string
  limit: number
}

/**
 * A page of orders, newest first. Empty filters match all; ids are UUIDv7, so their order is that of time. Of one user they are read from the index by user:
 * as a range of it, since with an equal sign the planner, who does not know the values, may walk through everybody's orders instead.
 */
export function listOrders(db: Database, { userId, status, from, to, before, limit }: OrderQuery): Promise<Order[]> {
  const [since, until] = [from ?? null, to ?? null]
  const [oldest, newest] = [from ? idAround(from, -CLOCKS_DIFFER_MS) : FIRST_ID, to ? idAround(to, CLOCKS_DIFFER_MS) : LAST_ID]
  const last = before || LAST_ID
  if (userId !== '') {
    return db.query<Order>(sql`
      select * from orders
      where (user_id, id) < (${userId}, ${last}::uuid) and (user_id, id) < (${userId}, ${newest}::uuid) and (user_id, id) >= (${userId}, ${oldest}::uuid)
        and (${status} = '' or status = ${status})
        and (${since}::timestamptz is null or created_at >= ${since}::timestamptz) and (${until}::timestamptz is null or created_at < ${until}::timestamptz)
      order by user_id desc, id desc limit ${limit}::int`)
  }
  return db.query<Order>(sql`
    select * from orders
    where id < ${last}::uuid and id < ${newest}::uuid and id >= ${oldest}::uuid and (${status} = '' or status = ${status})
      and (${since}::timestamptz is null or created_at >= ${since}::timestamptz) and (${until}::timestamptz is null or created_at < ${until}::timestamptz)
    order by id desc limit ${limit}::int`)
}

const FIRST_ID = '00000000-0000-0000-0000-000000000000'
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'
/** An order's id has its gateway's time, the row the database's: a day apart they would have been noticed. */
const CLOCKS_DIFFER_MS = 24 * 3_600_000
const MOST_MS = 2 ** 48 - 1

/** An id of that time, in the form of UUIDv7: 48 bits of milliseconds. */
function idAround(at: Date, offsetMs: number): string {
  const ms = Math.min(Math.max(at.getTime() + offsetMs, 0), MOST_MS)
  const hex = ms.toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`
}

export type OrderEvent = { id: number; order_id: string; type: string; data: Record<string, unknown>; at: Date }

export async function listEvents(db: Database, orderIds: readonly string[]): Promise<Map<string, OrderEvent[]>> {
  const found = await db.query<OrderEvent>(sql`
    select id, order_id, type, data, at from order_events where order_id = any(${orderIds}::uuid[]) order by order_id, id limit ${EVENTS_AT_MOST}::int`)
  return Map.groupBy(found, (event) => event.order_id)
}
