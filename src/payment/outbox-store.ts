import { type Database, rows, sql, type Transaction } from '../platform/postgres.ts'
import type { Payment } from './payment.ts'

/** What orders is to be told: rows written with the decision, taken one by one (never by a last id: an older one may commit later), gone once sent. */

/** What stands in a message of the queue orders.facts: the order's payment has come to an end that the order may be waiting for. */
export type PaymentResolved = { type: 'payment.resolved'; order_id: string; status: Payment['status'] }
export type OutboxRow = { order_id: string; version: number; body: PaymentResolved }

const LEASE_S = 30

export function writeMessages(tx: Transaction, payments: readonly Payment[]): void {
  const messages = payments.map(({ order_id, version, status }): OutboxRow => {
    return { order_id, version, body: { type: 'payment.resolved', order_id, status } }
  })
  tx.write(sql`
    insert into outbox (order_id, version, body)
    select order_id, version, body from jsonb_to_recordset(${rows(messages)}) as r(order_id uuid, version integer, body jsonb)`)
}

/** Takes messages to send, each for itself alone for a while; what is not removed then is taken again. */
export function claimMessages(db: Database, limit: number): Promise<OutboxRow[]> {
  return db.query<OutboxRow>(sql`
    update outbox o set due_at = now() + ${LEASE_S}::int * interval '1 second'
    from (select order_id, version from outbox where due_at <= now() order by due_at limit ${limit}::int for update skip locked) due
    where o.order_id = due.order_id and o.version = due.version returning o.order_id, o.version, o.body`)
}

/** The broker has confirmed them. */
export async function removeMessages(db: Database, sent: readonly OutboxRow[]): Promise<void> {
  await db.query(sql`
    delete from outbox o using jsonb_to_recordset(${rows(sent)}) as r(order_id uuid, version integer)
    where o.order_id = r.order_id and o.version = r.version`)
}

/** The broker could not take them: due again at once. */
export async function releaseMessages(db: Database, messages: readonly OutboxRow[]): Promise<void> {
  await db.query(sql`
    update outbox o set due_at = now() from jsonb_to_recordset(${rows(messages)}) as r(order_id uuid, version integer)
    where o.order_id = r.order_id and o.version = r.version`)
}
