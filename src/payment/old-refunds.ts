import type { PaymentContext, Reasons } from './context.ts'
import type { Refund } from './payment.ts'
import { pendingRefunds, refundKey, refundsOlderThan } from './refund-store.ts'
import { chargesOf, KEY_MARGIN_MS } from './resolve.ts'
import type { PaymentsById } from './store.ts'

/**
 * Refunds asked for so long ago that the provider may have forgotten their keys: asked again, it might give the money back a second time. Whether they were done
 * is told from its book instead.
 *
 * @returns `toAsk`: certainly not done yet; `done`: done. What its book does not tell for sure is in neither, and stays pending until a person has looked.
 */
export async function sortOldRefunds(
  context: PaymentContext,
  { payments, pending, reasons }: { payments: PaymentsById; pending: readonly Refund[]; reasons: Reasons },
): Promise<{ toAsk: Refund[]; done: Refund[] }> {
  const isOld = await refundsOlderThan(context.db, pending, context.provider.remembersKeysMs - KEY_MARGIN_MS)
  if (isOld.size === 0) return { toAsk: [...pending], done: [] }
  const old = pending.filter((refund) => isOld.has(refundKey(refund.order_id, refund.refund_id)))
  const orders = [...new Set(old.map((refund) => refund.order_id))].flatMap((orderId) => payments.get(orderId) ?? [])
  const charges = await chargesOf(context, orders)
  // All of the order, not only those at hand: what the provider gave back may be another's.
  const undecided = await pendingRefunds(
    context.db,
    orders.map((payment) => payment.order_id),
  )
  const sorted = { toAsk: pending.filter((refund) => !old.includes(refund)), done: [] as Refund[] }
  for (const refund of old) {
    const { order_id, refund_id, amount_minor } = refund
    const unaccounted = (charges.get(order_id)?.refundedMinor ?? Number.NaN) - (payments.get(order_id)?.refunded_minor ?? 0)
    const isOnly = undecided.filter((other) => other.order_id === order_id).length === 1
    if (unaccounted === 0) sorted.toAsk.push(refund)
    else if (unaccounted === amount_minor && isOnly) sorted.done.push({ ...refund, status: 'done' })
    else
      reasons.set(
        refundKey(order_id, refund_id),
        "asked for too long ago to be asked again, and the provider's book does not tell whether it was done",
      )
  }
  return sorted
}
