import { type Database, rows, sql, type Transaction } from '../platform/postgres.ts'
import { writeMessages } from './outbox-store.ts'
import {
  type AuthoriseCommand,
  type Change,
  isInBetween,
  isLateResult,
  isWanted,
  nextStatuses,
  type Opening,
  type Payment,
} from './payment.ts'

/** Payments and the ledger of money movements, and what orders is to be told of them. Every change of a payment goes through `changePayments`. */

/** Longer than a call takes to come to its end by itself: only then does the resolver look. */
const RESOLVE_AFTER_S = 10

export type PaymentsById = Map<string, Payment>
const byId = (found: readonly Payment[]): PaymentsById => new Map(found.map((payment) => [payment.order_id, payment]))

/**
 * Writes the intents (and what the rules decided at once) of orders not seen before, in one statement.
 * @returns the payments as stored, and the ids of those written by this call.
 */
export async function openPayments(
  db: Database,
  openings: readonly (AuthoriseCommand & Opening)[],
): Promise<{ payments: PaymentsById; opened: Set<string> }> {
  const written = await db.query<Payment>(sql`
    with opened as (
      insert into payments (order_id, status, method, token, amount_minor, currency, decline_code, decline_message, resolve_at)
      select "orderId", status, method, case when status = 'intent' then token end, "amountMinor", currency, decline_code, decline_message,
        case when status = 'intent' then now() + ${RESOLVE_AFTER_S}::int * interval '1 second' end
      from jsonb_to_recordset(${rows(openings)})
        as r("orderId" uuid, status text, method text, token text, "amountMinor" bigint, currency text, decline_code text, decline_message text)
      order by 1 on conflict (order_id) do nothing
      returning order_id, status, method, token, amount_minor, currency, captured_minor, refunded_minor, provider_ref, decline_code, decline_message,
        void_requested, resolves, version, created_at, updated_at
    ), booked as (
      insert into money_movements (order_id, kind, amount_minor, currency)
      select order_id, 'authorised', amount_minor, currency from opened where status = 'authorised'
    )
    select * from opened`)
  const payments = byId(written)
  const opened = new Set(payments.keys())
  const known = openings.map((opening) => opening.orderId).filter((orderId) => !opened.has(orderId))
  // A separate statement, so that it sees what a concurrent insert of the same key has just committed.
  if (known.length > 0) for (const [orderId, payment] of await readPayments(db, known)) payments.set(orderId, payment)
  return { payments, opened }
}

/** Payments by order id; those that don't exist are left out. */
export async function readPayments(db: Pick<Database, 'query'>, orderIds: readonly string[]): Promise<PaymentsById> {
  return byId(
    await db.query<Payment>(sql`
      select order_id, status, method, token, amount_minor, currency, captured_minor, refunded_minor, provider_ref, decline_code, decline_message,
        void_requested, resolves, version, created_at, updated_at
      from payments where order_id = any(${orderIds}::uuid[])`),
  )
}

/** A tombstone for each order without a payment, so that a late authorise is refused. */
export async function writeTombstones(db: Database, orderIds: readonly string[]): Promise<void> {
  await db.query(sql`
    insert into payments (order_id, status, method, amount_minor, currency)
    select order_id, 'voided', '', 0, '' from unnest(${orderIds}::uuid[]) as r(order_id) order by 1 on conflict (order_id) do nothing`)
}

/**
 * Notes that the provider is about to be asked again. @returns those that still may be: not decided, not to be voided, and first asked
 * not longer than `withinMs` ago.
 */
export async function askAgain(db: Database, orderIds: readonly string[], withinMs: number): Promise<Payment[]> {
  if (orderIds.length === 0) return []
  return db.transaction(async (tx) => {
    const locked = await lockPayments(tx, orderIds)
    const waiting = [...locked.values()].filter(isWanted).map((payment) => payment.order_id)
    const asked = await tx.query<{ order_id: string }>(sql`
      update payments set asked_at = clock_timestamp() where order_id = any(${waiting}::uuid[])
        and created_at > clock_timestamp() - ${withinMs}::double precision * interval '1 millisecond' returning order_id`)
    return asked.flatMap((row) => locked.get(row.order_id) ?? [])
  })
}

/** Those that the provider was last asked about longer ago than `ms`, by the database's clock. */
export async function askedLongAgo(db: Database, orderIds: readonly string[], ms: number): Promise<Set<string>> {
  if (orderIds.length === 0) return new Set()
  const found = await db.query<{ order_id: string }>(sql`
    select order_id from payments
    where order_id = any(${orderIds}::uuid[]) and asked_at <= clock_timestamp() - ${ms}::double precision * interval '1 millisecond'`)
  return new Set(found.map((row) => row.order_id))
}

/**
 * Locks the payments, lets `decide` say for each what changes (nothing: undefined), and writes changes and movements in one transaction.
 * That is the compare-and-set: `decide` sees the status under the lock, whatever it was when the command began.
 * @returns the payments as they are now; those that don't exist are left out.
 */
export function changePayments(
  db: Database,
  orderIds: readonly string[],
  decide: (payment: Payment) => Change | undefined,
): Promise<PaymentsById> {
  if (orderIds.length === 0) return Promise.resolve(new Map())
  return db.transaction(async (tx) => {
    const payments = await lockPayments(tx, orderIds)
    const changes = [...payments.values()].flatMap((payment) => {
      const change = decide(payment)
      return change ? [{ payment, change }] : []
    })
    for (const payment of writeChanges(tx, changes)) payments.set(payment.order_id, payment)
    return payments
  })
}

/** Locked in order of their ids, so that two batches never deadlock. */
export async function lockPayments(tx: Transaction, orderIds: readonly string[]): Promise<PaymentsById> {
  return byId(
    await tx.query<Payment>(sql`
      select order_id, status, method, token, amount_minor, currency, captured_minor, refunded_minor, provider_ref, decline_code, decline_message,
        void_requested, resolves, version, created_at, updated_at
      from payments where order_id = any(${orderIds}::uuid[]) order by order_id for update`),
  )
}

/** Writes changes of locked payments with their movements. @throws on a transition that `nextStatuses` doesn't have. */
export function writeChanges(tx: Transaction, changes: readonly { payment: Payment; change: Change }[]): Payment[] {
  if (changes.length === 0) return []
  const changed = changes.map(({ payment, change: { movements: _, ...columns } }) => {
    const to = columns.status ?? payment.status
    if (to !== payment.status && !nextStatuses[payment.status].includes(to))
      throw new Error(`a payment can't go from ${payment.status} to ${to}`)
    const resolves = isInBetween({ status: to }) ? payment.resolves : 0
    return { ...payment, ...columns, resolves, version: payment.version + 1, updated_at: new Date() }
  })
  const late = changed.filter((payment, i) => isLateResult(changes[i]?.payment as Payment, payment))
  tx.write(sql`
    update payments p set status = r.status, provider_ref = r.provider_ref, decline_code = r.decline_code, decline_message = r.decline_message,
      void_requested = r.void_requested, captured_minor = r.captured_minor, refunded_minor = r.refunded_minor,
      token = case when r.status in ('intent', 'unknown') then p.token end, version = r.version, updated_at = clock_timestamp(), resolves = r.resolves,
      resolve_at = case when r.status in ('intent', 'unknown', 'capturing', 'voiding') then now() + ${RESOLVE_AFTER_S}::int * interval '1 second'
        when r.status = 'voided' and r.void_requested and r.provider_ref is null then now() + interval '1 minute' end
    from jsonb_to_recordset(${rows(changed.map(({ token: _, ...columns }) => columns))})
      as r(order_id uuid, status text, provider_ref text, decline_code text, decline_message text, void_requested boolean,
        captured_minor bigint, refunded_minor bigint, version integer, resolves integer)
    where p.order_id = r.order_id`)
  const movements = changes.flatMap(({ payment, change }) =>
    (change.movements ?? []).map((movement) => ({ order_id: payment.order_id, key: '', ...movement })),
  )
  const voided = movements.filter((movement) => movement.kind === 'voided').map((movement) => movement.order_id)
  const others = movements.filter((movement) => movement.kind !== 'voided')
  if (others.length > 0) {
    tx.write(sql`
      insert into money_movements (order_id, kind, key, amount_minor, currency)
      select order_id, kind, key, amount_minor, currency
      from jsonb_to_recordset(${rows(others)}) as r(order_id uuid, kind text, key text, amount_minor bigint, currency text)`)
  }
  if (voided.length > 0) {
    // What is let go is what was held, also where the provider held another amount than asked.
    tx.write(sql`
      insert into money_movements (order_id, kind, amount_minor, currency)
      select order_id, 'voided', amount_minor, currency from money_movements where order_id = any(${voided}::uuid[]) and kind = 'authorised'`)
  }
  if (late.length > 0) writeMessages(tx, late)
  return changed
}
