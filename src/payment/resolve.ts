import type { PaymentContext, Reasons } from './context.ts'
import { afterAuthorise, isWrongAmount, type Payment } from './payment.ts'
import { askProvider, type LookupAnswer, type ProviderAnswer, providerKey } from './provider.ts'
import * as store from './store.ts'

/** From what the provider says to what is stored; shared by authorise and void. */

/** What the provider knows of these payments, by order id. */
export async function lookUp({ provider }: PaymentContext, payments: readonly Payment[]): Promise<Map<string, LookupAnswer>> {
  const orderIds = payments.map((payment) => payment.order_id)
  const answers = await askProvider(orderIds.map(providerKey.authorise), (keys) => provider.lookup(keys))
  return new Map(orderIds.map((orderId, i) => [orderId, answers[i] as LookupAnswer]))
}

/**
 * Writes the provider's answers. What must not be held (voided meanwhile, wrong amount) is `voiding` then: call `finishVoids`.
 * @returns the payments as they are then. Fills `reasons` of those that are not decided.
 */
export async function recordAnswers(
  context: PaymentContext,
  orderIds: readonly string[],
  { answers, reasons }: { answers: Map<string, ProviderAnswer>; reasons: Reasons },
): Promise<store.PaymentsById> {
  const wrong = new Set<string>()
  const payments = await store.changePayments(context.db, orderIds, (payment) => {
    const answer = answers.get(payment.order_id)
    if (!answer) return undefined
    if (answer.kind === 'unknown') reasons.set(payment.order_id, answer.message)
    if (answer.kind === 'unavailable') reasons.set(payment.order_id, `the payment provider is unavailable: ${answer.message}`)
    const change = afterAuthorise(payment, answer)
    if (change && isWrongAmount(payment, answer)) wrong.add(payment.order_id)
    return change
  })
  for (const order_id of wrong) {
    context.log.error({ order_id, alarm: 'wrong_amount' }, `${payments.get(order_id)?.decline_message}: the charge is voided`)
  }
  return payments
}

/** Voids at the provider all payments that are `voiding`. Any process may do so at any time: the key is always the same. */
export async function finishVoids(context: PaymentContext, payments: store.PaymentsById, reasons: Reasons): Promise<store.PaymentsById> {
  const voiding = [...payments.values()].filter((payment) => payment.status === 'voiding')
  if (voiding.length === 0) return payments
  const requests = voiding.map(({ order_id, provider_ref }) => ({ key: providerKey.void(order_id), ref: provider_ref ?? '' }))
  const answers = await askProvider(requests, (items) => context.provider.void(items))
  const approved = new Set<string>()
  voiding.forEach(({ order_id }, i) => {
    const answer = answers[i] as ProviderAnswer
    if (answer.kind === 'approved') approved.add(order_id)
    else reasons.set(order_id, answer.message)
    if (answer.kind === 'declined') {
      context.log.error({ order_id, alarm: 'void_declined', code: answer.code }, `the provider declined to void: ${answer.message}`)
    }
  })
  const changed = await store.changePayments(
    context.db,
    voiding.map((payment) => payment.order_id),
    (payment) =>
      payment.status === 'voiding' && approved.has(payment.order_id) ? { status: 'voided', movements: [{ kind: 'voided' }] } : undefined,
  )
  return new Map([...payments, ...changed])
}
