import { rows, sql, type Transaction } from '../platform/postgres.ts'
import type { Charge } from './provider.ts'

/** Charges of orders that do not exist, taken into our book so that they can be let go like any other. */

export type Release = { order_id: string; charge: Charge; reason: string; asked_by: string; request_id: string }

/** The refund that gives the money of a captured one back; what was given back before has a refund of its own. */
export const RELEASE_REFUND = 'release'
const EARLIER_REFUND = 'before-release'

/**
 * Writes tombstones that hold what the provider holds, and are to give it back: an authorised charge is `voiding`, a captured one has a pending refund. From here
 * on the resolver ends it, whatever becomes of us, and an order that comes late after all is refused. An order that has a payment is left as it is.
 */
export async function takeUp(tx: Transaction, releases: readonly Release[]): Promise<void> {
  const all = releases.map(({ charge, ...release }) => {
    const { ref, status, amountMinor: amount_minor, capturedMinor: captured_minor, refundedMinor: refunded_minor, currency } = charge
    const left_minor = captured_minor - refunded_minor
    const becomes = status === 'authorised' ? 'voiding' : left_minor > 0 ? 'captured' : 'refunded'
    return { ...release, ref, status, becomes, amount_minor, captured_minor, refunded_minor, currency, left_minor }
  })
  const taken = await tx.query<{ order_id: string }>(sql`
    insert into payments (order_id, status, method, amount_minor, currency, captured_minor, refunded_minor, provider_ref, resolve_at)
    select order_id, becomes, '', amount_minor, currency, captured_minor, refunded_minor, ref, case becomes when 'voiding' then now() end
    from jsonb_to_recordset(${rows(all)}) as r(order_id uuid, becomes text, amount_minor bigint, currency text, captured_minor bigint, refunded_minor bigint, ref text)
    order by 1 on conflict (order_id) do nothing returning order_id`)
  const isTaken = new Set(taken.map((row) => row.order_id))
  const ours = all.filter(({ order_id }) => isTaken.has(order_id))
  const movements = ours.flatMap(({ order_id, status, amount_minor, captured_minor, refunded_minor, currency }) => [
    { order_id, kind: 'authorised', key: '', amount_minor, currency },
    ...(status === 'captured' ? [{ order_id, kind: 'captured', key: '', amount_minor: captured_minor, currency }] : []),
    ...(refunded_minor > 0 ? [{ order_id, kind: 'refunded', key: EARLIER_REFUND, amount_minor: refunded_minor, currency }] : []),
  ])
  const refunds = ours.flatMap(({ order_id, left_minor, refunded_minor }) => [
    ...(refunded_minor > 0 ? [{ order_id, refund_id: EARLIER_REFUND, amount_minor: refunded_minor, status: 'done' }] : []),
    ...(left_minor > 0 ? [{ order_id, refund_id: RELEASE_REFUND, amount_minor: left_minor, status: 'pending' }] : []),
  ])
  tx.write(sql`
    insert into money_movements (order_id, kind, key, amount_minor, currency)
    select order_id, kind, key, amount_minor, currency
    from jsonb_to_recordset(${rows(movements)}) as r(order_id uuid, kind text, key text, amount_minor bigint, currency text)`)
  tx.write(sql`
    insert into refunds (order_id, refund_id, amount_minor, status)
    select order_id, refund_id, amount_minor, status
    from jsonb_to_recordset(${rows(refunds)}) as r(order_id uuid, refund_id text, amount_minor bigint, status text)`)
  tx.write(sql`
    insert into released_charges (order_id, ref, status, amount_minor, refunded_minor, currency, reason, asked_by, request_id)
    select order_id, ref, status, amount_minor, refunded_minor, currency, reason, asked_by, request_id
    from jsonb_to_recordset(${rows(ours)}) as r(order_id uuid, ref text, status text, amount_minor bigint, refunded_minor bigint, currency text,
      reason text, asked_by text, request_id text)`)
}
