import { type Loop, startLoop } from '../platform/loop.ts'
import { isDatabaseDown } from '../platform/postgres.ts'
import { finishCaptures } from './capture.ts'
import { type PaymentContext, type Reasons, reason } from './context.ts'
import { isInBetween, isOpen, isWanted, type Payment, type Refund } from './payment.ts'
import { finishRefunds } from './refund.ts'
import { refundKey } from './refund-store.ts'
import { askAgain, finishVoids, recordAnswers } from './resolve.ts'
import { claimPayments, claimRefunds } from './resolver-store.ts'
import { type PaymentsById, readPayments } from './store.ts'
import { resolveForVoid } from './void.ts'

/**
 * Brings to an end what was left in between: by a process that died, an answer that was lost, a caller that gave up. It asks the provider
 * with the same keys as the commands, and decides by the same rules, so it may run beside them and beside itself.
 */

const AT_MOST = 256

export const startResolver = (context: PaymentContext): Loop =>
  startLoop({ name: 'resolving payments', work: () => resolveOnce(context), log: context.log })

export async function resolveOnce(context: PaymentContext): Promise<'more' | 'idle'> {
  const [payments, refunds] = await Promise.all([claimPayments(context.db, AT_MOST), claimRefunds(context.db, AT_MOST)])
  await Promise.all([
    inHalves(context, payments, (some) => resolvePayments(context, some)),
    inHalves(context, refunds, (some) => resolveRefunds(context, some)),
  ])
  return payments.length === AT_MOST || refunds.length === AT_MOST ? 'more' : 'idle'
}

/** When a batch fails for the sake of one item, that one fails alone; it is looked at again when its time comes. */
async function inHalves<T extends { order_id: string }>(
  context: PaymentContext,
  items: readonly T[],
  work: (items: readonly T[]) => Promise<unknown>,
): Promise<void> {
  if (items.length === 0) return
  try {
    await work(items)
  } catch (error) {
    if (isDatabaseDown(error)) throw error
    if (items.length === 1) return context.log.error({ order_id: items[0]?.order_id, err: error }, 'the payment could not be resolved')
    const middle = items.length >> 1
    await inHalves(context, items.slice(0, middle), work)
    await inHalves(context, items.slice(middle), work)
  }
}

/** One look at each. @returns the payments as they are then. */
export async function resolvePayments(context: PaymentContext, payments: readonly Payment[]): Promise<PaymentsById> {
  const reasons: Reasons = new Map()
  const wanted = payments.filter(isWanted)
  const unwanted = payments.filter((payment) => isOpen(payment) && payment.void_requested)
  const [asked, looked] = await Promise.all([
    askAgain(context, wanted, reasons).then((answers) => recordAnswers(context, [...answers.keys()], { answers, reasons })),
    resolveForVoid(context, unwanted, reasons),
  ])
  let now: PaymentsById = new Map([...payments.map((payment) => [payment.order_id, payment] as const), ...asked, ...looked])
  now = await finishVoids(context, now, reasons)
  now = await finishCaptures(context, now, reasons)
  for (const before of payments)
    tell(context, { before, after: now.get(before.order_id) as Payment, why: reason(reasons, before.order_id) })
  return now
}

export async function resolveRefunds(context: PaymentContext, pending: readonly Refund[]): Promise<void> {
  if (pending.length === 0) return
  const reasons: Reasons = new Map()
  const payments = await readPayments(
    context.db,
    pending.map((refund) => refund.order_id),
  )
  const { refunds } = await finishRefunds(context, { payments, pending, reasons })
  for (const { order_id, refund_id } of pending) {
    const key = refundKey(order_id, refund_id)
    const status = refunds.get(key)?.status ?? 'pending'
    if (status === 'pending') context.log.warn({ order_id, refund_id }, `the refund is still pending: ${reason(reasons, key)}`)
    else context.log.info({ order_id, refund_id, status }, 'the refund is resolved')
  }
}

function tell({ log }: PaymentContext, { before, after, why }: { before: Payment; after: Payment; why: string }): void {
  const line = { order_id: before.order_id, status: after.status }
  if (isInBetween(after)) log.warn(line, `the payment is still ${after.status}: ${why}`)
  else if (before.status !== after.status) log.info({ ...line, was: before.status }, 'the payment is resolved')
  else if (after.version !== before.version) log.warn(line, 'a charge appeared late for a voided payment, and was voided')
}
