import { isUuid } from '../platform/ids.ts'
import { type Answer, done, refused, unknown } from '../platform/outcome.ts'
import { unforeseen } from '../platform/unforeseen.ts'
import { finishCaptures } from './capture.ts'
import { type PaymentContext, type Reasons, reason } from './context.ts'
import { sortOldRefunds } from './old-refunds.ts'
import type { Payment, Refund } from './payment.ts'
import { askProvider, type ProviderAnswer, providerKey } from './provider.ts'
import { openRefunds, type RefundCommand, refundKey, settleRefunds } from './refund-store.ts'
import { chargesOf } from './resolve.ts'
import * as store from './store.ts'

const isSound = ({ orderId, refundId, amountMinor }: RefundCommand) =>
  isUuid(orderId) && /^[\x21-\x7e]{1,100}$/.test(refundId) && Number.isSafeInteger(amountMinor)

/** Gives captured money back, wholly or in part, once per refund id. */
export async function refundPayments(context: PaymentContext, commands: readonly RefundCommand[]): Promise<Answer<Payment>[]> {
  const { db } = context
  const sound = commands.filter(isSound)
  if (sound.length === 0) return commands.map(() => refused('invalid_payment', 'the refund is malformed'))
  const reasons: Reasons = new Map()
  await finishCaptures(
    context,
    await store.readPayments(
      db,
      sound.map((command) => command.orderId),
    ),
    reasons,
  )
  let { payments, refunds } = await openRefunds(db, sound)
  const asked = [...new Set(sound.map((command) => refundKey(command.orderId, command.refundId)))]
  const pending = asked.flatMap((key) => refunds.get(key) ?? []).filter((refund) => refund.status === 'pending')
  const after = await finishRefunds(context, { payments, pending, reasons })
  payments = new Map([...payments, ...after.payments])
  refunds = new Map([...refunds, ...after.refunds])
  return commands.map((command) => {
    if (!isSound(command)) return refused('invalid_payment', 'the refund is malformed')
    const payment = payments.get(command.orderId)
    if (!payment) return refused('unknown_payment', `order ${command.orderId} has no payment`)
    const refund = refunds.get(refundKey(command.orderId, command.refundId))
    return refundAnswer({ command, payment, refund, why: reason(reasons, refundKey(command.orderId, command.refundId)) })
  })
}

type Pending = { payments: store.PaymentsById; pending: readonly Refund[]; reasons: Reasons }

/** Has the provider do these refunds, and writes what it decided. Any process may do so at any time: the keys are always the same. */
export async function finishRefunds(context: PaymentContext, waiting: Pending): ReturnType<typeof settleRefunds> {
  if (waiting.pending.length === 0) return { payments: new Map(), refunds: new Map() }
  const { toAsk, done: known } = await sortOldRefunds(context, waiting)
  const settled = [...known, ...(await askForRefunds(context, { ...waiting, pending: toAsk }))]
  return settled.length > 0 ? settleRefunds(context.db, settled) : { payments: new Map(), refunds: new Map() }
}

/** @returns the refunds that the provider decided. */
async function askForRefunds(context: PaymentContext, { payments, pending, reasons }: Pending): Promise<Refund[]> {
  const { provider, log } = context
  const requests = pending.map(({ order_id, refund_id, amount_minor }) => ({
    key: providerKey.refund(order_id, refund_id),
    ref: payments.get(order_id)?.provider_ref ?? '',
    amountMinor: amount_minor,
    currency: payments.get(order_id)?.currency ?? '',
  }))
  const answers = await askProvider(requests, (items) => provider.refund(items))
  const declined = new Set(pending.filter((_, i) => answers[i]?.kind === 'declined').map((refund) => refund.order_id))
  const charges = await chargesOf(
    context,
    [...declined].flatMap((orderId) => payments.get(orderId) ?? []),
  )
  return pending.flatMap((refund, i): Refund[] => {
    const { order_id, refund_id } = refund
    const answer = answers[i] as ProviderAnswer
    switch (answer.kind) {
      case 'approved':
        if (answer.amountMinor === refund.amount_minor) return [{ ...refund, status: 'done' }]
        log.error(
          { order_id, refund_id, alarm: 'wrong_amount' },
          `the provider refunded ${answer.amountMinor} instead of ${refund.amount_minor}`,
        )
        return []
      case 'declined':
        // More was given back than we know of: perhaps this very refund, under a key that is forgotten by now. A person must look.
        if ((charges.get(order_id)?.refundedMinor ?? 0) > (payments.get(order_id)?.refunded_minor ?? 0)) {
          reasons.set(refundKey(order_id, refund_id), 'the provider declines it, and has refunded more than we know of')
          return []
        }
        log.error(
          { order_id, refund_id, alarm: 'refund_declined', code: answer.code },
          `the provider declined to refund: ${answer.message}`,
        )
        return [{ ...refund, status: 'refused', refusal_code: 'refund_declined', refusal_message: answer.message }]
      case 'unknown':
      case 'unavailable':
        reasons.set(refundKey(order_id, refund_id), answer.message)
        return []
      default:
        return unforeseen(answer)
    }
  })
}

function refundAnswer({
  command,
  payment,
  refund,
  why,
}: {
  command: RefundCommand
  payment: Payment
  refund: Refund | undefined
  why: string
}): Answer<Payment> {
  if (!refund) return unknown('the capture of this payment is under way')
  if (refund.amount_minor !== command.amountMinor)
    return refused('payment_mismatch', `refund ${command.refundId} exists already, of another amount`)
  switch (refund.status) {
    case 'done':
      return done(payment)
    case 'refused':
      return refused(refund.refusal_code ?? 'refused', refund.refusal_message ?? '')
    case 'pending':
      return unknown(why)
    default:
      return unforeseen(refund.status)
  }
}
