import { type Database, rows, sql, type Transaction } from '../platform/postgres.ts'
import { decideRefund, type Payment, type Refund, refunded } from './payment.ts'
import { lockPayments, type PaymentsById, writeChanges } from './store.ts'

/** Refunds, decided and settled under the lock of their payment. */

export type RefundCommand = { orderId: string; refundId: string; amountMinor: number }
export type RefundsByKey = Map<string, Refund>
export const refundKey = (orderId: string, refundId: string) => `${orderId} ${refundId}`

/** Decides on refunds not seen before. Orders without a payment, and payments being captured, are left undecided. */
export function openRefunds(db: Database, commands: readonly RefundCommand[]): Promise<{ payments: PaymentsById; refunds: RefundsByKey }> {
  return db.transaction(async (tx) => {
    const orderIds = commands.map((command) => command.orderId)
    const [payments, refunds] = await Promise.all([lockPayments(tx, orderIds), readRefunds(tx, orderIds)])
    const fresh: Refund[] = []
    for (const command of commands) {
      const payment = payments.get(command.orderId)
      const key = refundKey(command.orderId, command.refundId)
      if (!payment || payment.status === 'capturing' || refunds.has(key)) continue
      const earlier = [...refunds.values()].filter((refund) => refund.order_id === command.orderId)
      const refund = decideRefund(payment, earlier, command)
      refunds.set(key, refund)
      fresh.push(refund)
    }
    if (fresh.length > 0) {
      tx.write(sql`
        insert into refunds (order_id, refund_id, amount_minor, status, refusal_code, refusal_message)
        select order_id, refund_id, amount_minor, status, refusal_code, refusal_message
        from jsonb_to_recordset(${rows(fresh)})
          as r(order_id uuid, refund_id text, amount_minor bigint, status text, refusal_code text, refusal_message text)`)
      book(
        tx,
        payments,
        fresh.filter((refund) => refund.status === 'done'),
      )
    }
    return { payments, refunds }
  })
}

/** Writes what the provider said of pending refunds, by `refundKey`: done, or refused with a code. Those settled meanwhile stay as they are. */
export function settleRefunds(db: Database, settled: readonly Refund[]): Promise<{ payments: PaymentsById; refunds: RefundsByKey }> {
  return db.transaction(async (tx) => {
    const orderIds = settled.map((refund) => refund.order_id)
    const [payments, refunds] = await Promise.all([lockPayments(tx, orderIds), readRefunds(tx, orderIds)])
    const fresh = settled.filter((refund) => refunds.get(refundKey(refund.order_id, refund.refund_id))?.status === 'pending')
    if (fresh.length > 0) {
      tx.write(sql`
        update refunds f set status = r.status, refusal_code = r.refusal_code, refusal_message = r.refusal_message, updated_at = now()
        from jsonb_to_recordset(${rows(fresh)}) as r(order_id uuid, refund_id text, status text, refusal_code text, refusal_message text)
        where f.order_id = r.order_id and f.refund_id = r.refund_id`)
      book(
        tx,
        payments,
        fresh.filter((refund) => refund.status === 'done'),
      )
      for (const refund of fresh) refunds.set(refundKey(refund.order_id, refund.refund_id), refund)
    }
    return { payments, refunds }
  })
}

/** The refunds of these orders that the provider has not decided. */
export function pendingRefunds(db: Database, orderIds: readonly string[]): Promise<Refund[]> {
  return db.query<Refund>(sql`
    select order_id, refund_id, amount_minor, status, refusal_code, refusal_message from refunds
    where order_id = any(${orderIds}::uuid[]) and status = 'pending'`)
}

/** Which of these were asked for first longer ago than `ms`, by the database's clock; by their keys. */
export async function refundsOlderThan(db: Database, refunds: readonly Refund[], ms: number): Promise<Set<string>> {
  const found = await db.query<{ order_id: string; refund_id: string }>(sql`
    select f.order_id, f.refund_id from refunds f
    join jsonb_to_recordset(${rows(refunds)}) as r(order_id uuid, refund_id text) on f.order_id = r.order_id and f.refund_id = r.refund_id
    where f.created_at <= now() - ${ms}::double precision * interval '1 millisecond'`)
  return new Set(found.map((row) => refundKey(row.order_id, row.refund_id)))
}

function book(tx: Transaction, payments: PaymentsById, finished: readonly Refund[]): void {
  const changes = [...Map.groupBy(finished, (refund) => refund.order_id)].map(([orderId, refunds]) => {
    const payment = payments.get(orderId) as Payment
    return { payment, change: refunded(payment, refunds) }
  })
  for (const payment of writeChanges(tx, changes)) payments.set(payment.order_id, payment)
}

async function readRefunds(tx: Transaction, orderIds: readonly string[]): Promise<RefundsByKey> {
  const found = await tx.query<Refund>(sql`
    select order_id, refund_id, amount_minor, status, refusal_code, refusal_message from refunds where order_id = any(${orderIds}::uuid[])`)
  return new Map(found.map((refund) => [refundKey(refund.order_id, refund.refund_id), refund]))
}
