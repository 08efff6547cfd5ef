import { isUuid } from '../platform/ids.ts'
import { type Answer, refused } from '../platform/outcome.ts'
import { type PaymentContext, type Reasons, reason } from './context.ts'
import { type AuthoriseCommand, authoriseAnswer, malformed, open, type Payment } from './payment.ts'
import { askProvider, type ProviderAnswer, providerKey } from './provider.ts'
import { finishVoids, lookUp, recordAnswers } from './resolve.ts'
import * as store from './store.ts'

/**
 * Authorises one payment per order. The intent is committed before the provider is asked; an intent that exists already was asked
 * before, so it is looked up first and asked again, with the same key, only when it is not found.
 */
export async function authorisePayments(context: PaymentContext, commands: readonly AuthoriseCommand[]): Promise<Answer<Payment>[]> {
  const { db } = context
  const sound = commands.filter((command) => isUuid(command.orderId) && !malformed(command))
  const firsts = [...new Map([...sound].reverse().map((command) => [command.orderId, command])).values()]
  const { payments, opened } = await store.openPayments(
    db,
    firsts.map((command) => ({ ...command, ...open(command) })),
  )

  const waiting = [...payments.values()].filter((payment) => ['intent', 'unknown'].includes(payment.status) && !payment.void_requested)
  const reasons: Reasons = new Map()
  const [fresh, repeated] = await Promise.all([
    authoriseAtProvider(
      context,
      waiting.filter((payment) => opened.has(payment.order_id)),
    ),
    resolve(
      context,
      waiting.filter((payment) => !opened.has(payment.order_id)),
    ),
  ])
  const recorded = await recordAnswers(
    context,
    waiting.map((payment) => payment.order_id),
    { answers: new Map([...fresh, ...repeated]), reasons },
  )
  // A repeat also finishes a void of a wrong amount that was cut off.
  const settled = await finishVoids(context, new Map([...payments, ...recorded]), reasons)

  return commands.map((command) => {
    const payment = settled.get(command.orderId)
    if (!isUuid(command.orderId)) return refused('invalid_payment', 'the order id must be a UUID')
    const fault = malformed(command)
    if (fault) return refused(fault.code, fault.message)
    return authoriseAnswer(command, payment as Payment, reason(reasons, command.orderId))
  })
}

/** Asks again about payments of which the provider's answer was lost: looks first, and asks again what it has not got. */
async function resolve(context: PaymentContext, waiting: readonly Payment[]): Promise<Map<string, ProviderAnswer>> {
  const found = await lookUp(context, waiting)
  const missing = [...found].filter(([, answer]) => answer.kind === 'not_found').map(([orderId]) => orderId)
  const again = await authoriseAtProvider(context, await store.askAgain(context.db, missing))
  const answers = new Map<string, ProviderAnswer>()
  for (const [orderId, answer] of found) if (answer.kind !== 'not_found') answers.set(orderId, answer)
  return new Map([...answers, ...again])
}

async function authoriseAtProvider({ provider }: PaymentContext, payments: readonly Payment[]): Promise<Map<string, ProviderAnswer>> {
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
