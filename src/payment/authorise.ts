import { isUuid } from '../platform/ids.ts'
import { type Answer, refused } from '../platform/outcome.ts'
import { type PaymentContext, type Reasons, reason } from './context.ts'
import { type AuthoriseCommand, authoriseAnswer, isWanted, malformed, open, type Payment } from './payment.ts'
import { askAgain, authoriseAtProvider, finishVoids, recordAnswers } from './resolve.ts'
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

  const waiting = [...payments.values()].filter(isWanted)
  const reasons: Reasons = new Map()
  const [fresh, repeated] = await Promise.all([
    authoriseAtProvider(
      context,
      waiting.filter((payment) => opened.has(payment.order_id)),
    ),
    askAgain(
      context,
      waiting.filter((payment) => !opened.has(payment.order_id)),
      reasons,
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
