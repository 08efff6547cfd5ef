import { isUuid } from '../platform/ids.ts'
import { type Answer, refused } from '../platform/outcome.ts'
import { finishCaptures } from './capture.ts'
import { type PaymentContext, type Reasons, reason } from './context.ts'
import { isOpen, type Payment, requestVoid, voidAnswer } from './payment.ts'
import type { ProviderAnswer } from './provider.ts'
import { finishVoids, lookUp, recordAnswers } from './resolve.ts'
import * as store from './store.ts'

/**
 * Lets authorised money go. An order never seen gets a tombstone. A payment whose authorisation is unknown is marked first, so that whatever
 * appears from then on ends voided, and is then looked up; "not found" is not final until a bound since the provider was last asked.
 */
export async function voidPayments(context: PaymentContext, orderIds: readonly string[]): Promise<Answer<Payment>[]> {
  const { db } = context
  const sound = [...new Set(orderIds.filter(isUuid))]
  const reasons: Reasons = new Map()
  const mark = () => store.changePayments(db, sound, requestVoid)
  let payments = await mark()
  const unseen = sound.filter((orderId) => !payments.has(orderId))
  if (unseen.length > 0) await store.writeTombstones(db, unseen)
  const afterCaptures = await finishCaptures(context, payments, reasons)
  if (unseen.length > 0 || afterCaptures !== payments) payments = await mark()

  const unresolved = [...payments.values()].filter(isOpen)
  if (unresolved.length > 0) payments = new Map([...payments, ...(await resolveForVoid(context, unresolved, reasons))])
  payments = await finishVoids(context, payments, reasons)

  return orderIds.map((orderId) => {
    const payment = payments.get(orderId)
    if (!payment) return refused('invalid_payment', 'the order id must be a UUID')
    const answer = voidAnswer(payment, reason(reasons, orderId))
    return answer.kind === 'done' ? { kind: 'done', value: payment } : answer
  })
}

/** Looks up what is to be voided, and whether it was ever charged. What is held is `voiding` then. */
export async function resolveForVoid(
  context: PaymentContext,
  unresolved: readonly Payment[],
  reasons: Reasons,
): Promise<store.PaymentsById> {
  const { db, notFoundIsFinalAfterMs } = context
  const orderIds = unresolved.map((payment) => payment.order_id)
  // The age is taken before the look: a charge younger than the bound may be missed by it.
  const old = await store.askedLongAgo(db, orderIds, notFoundIsFinalAfterMs)
  const found = await lookUp(context, unresolved)
  const answers = new Map<string, ProviderAnswer>()
  const neverCharged = new Set<string>()
  for (const [orderId, answer] of found) {
    if (answer.kind !== 'not_found') answers.set(orderId, answer)
    else if (old.has(orderId)) neverCharged.add(orderId)
    else reasons.set(orderId, 'the payment provider has no such charge yet; it may still appear')
  }
  const payments = await recordAnswers(context, orderIds, { answers, reasons })
  const given = await store.changePayments(db, [...neverCharged], (payment) =>
    payment.status === 'intent' || payment.status === 'unknown' ? { status: 'voided' } : undefined,
  )
  return new Map([...payments, ...given])
}
