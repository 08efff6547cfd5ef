import { isUuid } from '../platform/ids.ts'
import { type Answer, refused } from '../platform/outcome.ts'
import { type PaymentContext, type Reasons, reason } from './context.ts'
import { captureAnswer, captured, isWrongAmount, type Payment, requestCapture } from './payment.ts'
import { askProvider, type Charge, type ProviderAnswer, providerKey } from './provider.ts'
import { chargesOf } from './resolve.ts'
import * as store from './store.ts'

/** Takes authorised money, all of it. `capturing` is committed before the provider is asked: from then on a void has lost. */
export async function capturePayments(context: PaymentContext, orderIds: readonly string[]): Promise<Answer<Payment>[]> {
  const sound = [...new Set(orderIds.filter(isUuid))]
  const reasons: Reasons = new Map()
  const begun = await store.changePayments(context.db, sound, requestCapture)
  const payments = await finishCaptures(context, begun, reasons)
  return orderIds.map((orderId) => {
    const payment = payments.get(orderId)
    if (!payment) return refused('unknown_payment', `order ${orderId} has no payment`)
    const answer = captureAnswer(payment, reason(reasons, orderId))
    return answer.kind === 'done' ? { kind: 'done', value: payment } : answer
  })
}

/** Captures at the provider all payments that are `capturing`. Any process may do so at any time: the key is always the same. */
export async function finishCaptures(context: PaymentContext, payments: store.PaymentsById, reasons: Reasons): Promise<store.PaymentsById> {
  const capturing = [...payments.values()].filter((payment) => payment.status === 'capturing')
  if (capturing.length === 0) return payments
  const requests = capturing.map(({ order_id, provider_ref, amount_minor, currency }) => ({
    key: providerKey.capture(order_id),
    ref: provider_ref ?? '',
    amountMinor: amount_minor,
    currency,
  }))
  const answers = new Map<string, ProviderAnswer>()
  const said = await askProvider(requests, (items) => context.provider.capture(items))
  // What was captured long ago, under a key that is forgotten by now, is declined too.
  const charges = await chargesOf(
    context,
    capturing.filter((_, i) => said[i]?.kind === 'declined'),
  )
  capturing.forEach((payment, i) => {
    const charge = charges.get(payment.order_id)
    const isCaptured = charge?.status === 'captured' && charge.ref === payment.provider_ref
    const answer = isCaptured ? approvedAs(charge) : (said[i] as ProviderAnswer)
    if (answer.kind !== 'approved') reasons.set(payment.order_id, answer.message)
    if (answer.kind === 'declined' || isWrongAmount(payment, answer)) {
      context.log.error(
        { order_id: payment.order_id, alarm: 'capture_wrong' },
        `the provider answered ${answer.kind} to a capture, not as asked`,
      )
    }
    // Left as it is when another amount was taken: someone must look at the provider's book.
    if (!isWrongAmount(payment, answer)) answers.set(payment.order_id, answer)
  })
  const changed = await store.changePayments(
    context.db,
    capturing.map((payment) => payment.order_id),
    (payment) => {
      if (payment.status !== 'capturing') return undefined
      const answer = answers.get(payment.order_id)
      if (answer?.kind === 'approved') return captured(payment)
      return answer?.kind === 'declined' ? { status: 'authorised' } : undefined
    },
  )
  return new Map([...payments, ...changed])
}

const approvedAs = ({ ref, capturedMinor, currency }: Charge): ProviderAnswer => ({
  kind: 'approved',
  ref,
  amountMinor: capturedMinor,
  currency,
})
