import type { PaymentContext, Reasons } from './context.ts'
import { afterAuthorise, isWrongAmount, type Payment } from './payment.ts'
import { askProvider, type Charge, type ChargeAnswer, type LookupAnswer, type ProviderAnswer, providerKey } from './provider.ts'
import * as store from './store.ts'

/** From what the provider says to what is stored; shared by the commands and the resolver. */

/** Asked again no later than this before the provider may forget the key: a call takes its time, and clocks differ. */
export const KEY_MARGIN_MS = 3_600_000

/** What the provider knows of these payments, by order id. */
export async function lookUp({ provider }: PaymentContext, payments: readonly Payment[]): Promise<Map<string, LookupAnswer>> {
  const orderIds = payments.map((payment) => payment.order_id)
  const answers = await askProvider(orderIds.map(providerKey.authorise), (keys) => provider.lookup(keys))
  return new Map(orderIds.map((orderId, i) => [orderId, answers[i] as LookupAnswer]))
}

/** Asks again about payments of which the provider's answer was lost: looks first, and asks again what it has not got, while it knows the key. */
export async function askAgain(
  context: PaymentContext,
  waiting: readonly Payment[],
  reasons: Reasons,
): Promise<Map<string, ProviderAnswer>> {
  const { db, provider } = context
  const found = await lookUp(context, waiting)
  const missing = [...found].filter(([, answer]) => answer.kind === 'not_found').map(([orderId]) => orderId)
  const asked = await store.askAgain(db, missing, provider.remembersKeysMs - KEY_MARGIN_MS)
  const again = await authoriseAtProvider(context, asked)
  // By then a charge would have been found for long; but with a key it may have forgotten, the provider might charge a second time.
  for (const orderId of missing) if (!again.has(orderId)) reasons.set(orderId, 'first asked too long ago to be asked again: only looked up')
  const answers = new Map<string, ProviderAnswer>()
  for (const [orderId, answer] of found) if (answer.kind !== 'not_found') answers.set(orderId, answer)
  return new Map([...answers, ...again])
}

/** Asks the provider to authorise, outside any transaction. @returns its answers by order id. */
export async function authoriseAtProvider(
  { provider }: PaymentContext,
  payments: readonly Payment[],
): Promise<Map<string, ProviderAnswer>> {
  // From the stored payment and not from the command: the same key must always carry the same request.
  const requests = payments.map(({ order_id, method, token, amount_minor, currency }) => ({
    key: providerKey.authorise(order_id),
    orderRef: order_id,
    method,
    token: token ?? '',
    amountMinor: amount_minor,
    currency,
  }))
  const answers = await askProvider(requests, (items) => provider.authorise(items))
  return new Map(payments.map((payment, i) => [payment.order_id, answers[i] as ProviderAnswer]))
}

/** How the charges of these payments stand at the provider, by order id; those that it has not got or can't tell of are left out. */
export async function chargesOf({ provider }: PaymentContext, payments: readonly Payment[]): Promise<Map<string, Charge>> {
  const orderIds = payments.map((payment) => payment.order_id)
  const answers = await askProvider<string, ChargeAnswer>(orderIds.map(providerKey.authorise), (keys) => provider.readCharges(keys))
  return new Map(orderIds.flatMap((orderId, i) => (answers[i]?.kind === 'charge' ? [[orderId, answers[i].charge] as const] : [])))
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
  // What was voided long ago, under a key that is forgotten by now, is declined too.
  const charges = await chargesOf(
    context,
    voiding.filter((_, i) => answers[i]?.kind === 'declined'),
  )
  voiding.forEach(({ order_id, provider_ref }, i) => {
    const answer = answers[i] as ProviderAnswer
    const charge = charges.get(order_id)
    if (answer.kind === 'approved' || (charge?.ref === provider_ref && charge?.status === 'voided')) approved.add(order_id)
    else reasons.set(order_id, answer.message)
    if (answer.kind === 'declined' && !approved.has(order_id)) {
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
