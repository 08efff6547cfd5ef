import { type Database, sql } from '../platform/postgres.ts'
import type { Payment, Refund } from './payment.ts'

/**
 * What the resolver is to look at. Taking it puts the next look off, ever further: so replicas share the work, and what a dying one took is
 * soon taken by another. Two that look at the same do no harm.
 */

/** How long after the provider was last asked a charge that it did not have may still appear: looked for all that time. */
const MAY_APPEAR_FOR_DAYS = 7

/** Payments in between: 10 s after the last look, then twice as long, a minute at most. Voided ones whose charge may still appear: a minute, up to 6 hours. */
export function claimPayments(db: Database, limit: number): Promise<Payment[]> {
  return db.query<Payment>(sql`
    update payments p set resolves = resolves + 1, resolve_at = case
        when status <> 'voided' then now() + (0.75 + random() / 2) * least(60, 10 * 2 ^ least(resolves, 10)) * interval '1 second'
        when asked_at > now() - ${MAY_APPEAR_FOR_DAYS}::int * interval '1 day'
          then now() + (0.75 + random() / 2) * least(360, 2 ^ least(resolves, 10)) * interval '1 minute' end
    from (select order_id from payments where resolve_at <= now() order by resolve_at limit ${limit}::int for update skip locked) due
    where p.order_id = due.order_id
    returning p.order_id, status, method, token, amount_minor, currency, captured_minor, refunded_minor, provider_ref, decline_code, decline_message,
      void_requested, resolves, version, created_at, updated_at`)
}

/** Refunds that the provider has not decided. */
export function claimRefunds(db: Database, limit: number): Promise<Refund[]> {
  return db.query<Refund>(sql`
    update refunds r set resolves = resolves + 1,
      resolve_at = now() + (0.75 + random() / 2) * least(60, 10 * 2 ^ least(resolves, 10)) * interval '1 second'
    from (
      select order_id, refund_id from refunds where status = 'pending' and resolve_at <= now() order by resolve_at limit ${limit}::int for update skip locked
    ) due
    where r.order_id = due.order_id and r.refund_id = due.refund_id
    returning r.order_id, r.refund_id, amount_minor, status, refusal_code, refusal_message`)
}
