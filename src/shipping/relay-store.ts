import { type Database, rows, sql } from '../platform/postgres.ts'

/** What must still be told: facts to orders, cancels to the carrier. */

export type Fact = {
  id: number
  order_id: string
  number: number
  location_id: string
  status: 'dispatched' | 'delivered'
  at: Date
  /** The broker has it; orders has not answered for it yet. */
  published_at: Date | null
}

/** An instance that dies with facts in hand leaves them to the others after this. */
const LEASE_S = 20
/** So long after its message orders is asked whether it knows the fact. */
const CONFIRM_AFTER_S = 2

/**
 * Facts that orders is to be told now, the longest due first, each to one instance only. Taken row by row and never by "after the last id": a fact with a
 * smaller id may commit later.
 */
export async function claimFacts(db: Database, limit: number): Promise<Fact[]> {
  const facts = await db.query<Fact>(sql`
    update facts f set due_at = now() + ${LEASE_S}::int * interval '1 second'
    from (select id from facts where told_at is null and due_at <= now() order by due_at, id limit ${limit}::int for update skip locked) due
    where f.id = due.id returning f.id, f.order_id, f.number, f.location_id, f.status, f.at, f.published_at`)
  return facts.sort((a, b) => a.id - b.id)
}

/** The broker has confirmed their messages. */
export async function markPublished(db: Database, facts: readonly Fact[]): Promise<void> {
  if (facts.length === 0) return
  await db.query(sql`
    update facts set published_at = now(), due_at = now() + ${CONFIRM_AFTER_S}::int * interval '1 second'
    where id = any(${facts.map((fact) => fact.id)}::bigint[])`)
}

/** Nobody could be told: due again at once. */
export async function releaseFacts(db: Database, facts: readonly Fact[]): Promise<void> {
  if (facts.length === 0) return
  await db.query(sql`update facts set due_at = now() where id = any(${facts.map((fact) => fact.id)}::bigint[]) and told_at is null`)
}

/** Orders has answered these for good. */
export async function markTold(db: Database, facts: readonly Fact[]): Promise<void> {
  if (facts.length === 0) return
  await db.query(sql`update facts set told_at = now() where id = any(${facts.map((fact) => fact.id)}::bigint[])`)
}

/** Orders can't take these yet: again later, ever more rarely, at least every 5 s. */
export async function tellLater(db: Database, facts: readonly Fact[]): Promise<void> {
  if (facts.length === 0) return
  await db.query(sql`
    update facts set tries = tries + 1, due_at = now() + (0.5 + random() / 2) * least(5, 0.2 * 2 ^ least(tries, 10)) * interval '1 second'
    where id = any(${facts.map((fact) => fact.id)}::bigint[])`)
}

/** An order whose bookings the carrier must call off; `asks` tells whether someone asked again while the carrier was told. */
export type CarrierCancel = { order_id: string; asks: number; numbers: number[] }

export function carrierCancelsDue(db: Database, limit: number): Promise<CarrierCancel[]> {
  return db.query<CarrierCancel>(sql`
    select o.order_id, o.carrier_cancel_asks as asks, array(select number from shipments s where s.order_id = o.order_id order by number) as numbers
    from order_shipments o where carrier_cancel_at <= now() order by carrier_cancel_at limit ${limit}::int`)
}

/** The carrier has heard: done, unless someone asked again meanwhile; and once more later where a booking was on its way. */
export function markCarrierTold(db: Database, cancels: readonly CarrierCancel[]): Promise<void> {
  return changeLocked(db, cancels, async (tx) => {
    tx.write(sql`
      update order_shipments o set carrier_cancel_due = false,
        carrier_cancel_at = case when carrier_cancel_again_at > now() then carrier_cancel_again_at end,
        carrier_cancel_again_at = case when carrier_cancel_again_at > now() then carrier_cancel_again_at end
      from jsonb_to_recordset(${rows(cancels)}) as r(order_id uuid, asks int)
      where o.order_id = r.order_id and o.carrier_cancel_asks = r.asks`)
  })
}

/** The carrier could not be told: again in 1 to 5 s. */
export function tellCarrierLater(db: Database, cancels: readonly CarrierCancel[]): Promise<void> {
  return changeLocked(db, cancels, async (tx) => {
    tx.write(sql`
      update order_shipments set carrier_cancel_at = now() + (1 + random() * 4) * interval '1 second'
      where order_id = any(${cancels.map((cancel) => cancel.order_id)}::uuid[])`)
  })
}

/** Locks by order id first, as every command does, so that the relay never deadlocks with one. */
async function changeLocked(
  db: Database,
  cancels: readonly CarrierCancel[],
  change: Parameters<Database['transaction']>[0],
): Promise<void> {
  if (cancels.length === 0) return
  await db.transaction(async (tx) => {
    await tx.query(sql`
      select 1 from order_shipments where order_id = any(${cancels.map((cancel) => cancel.order_id)}::uuid[]) order by order_id for update`)
    await change(tx)
  })
}
