import { isUuid } from '../platform/ids.ts'
import { type Answer, done, refused, unknown } from '../platform/outcome.ts'
import { type PaymentContext, type Reasons, reason } from './context.ts'
import type { Payment } from './payment.ts'
import { type Charge, type ChargeAnswer, providerKey } from './provider.ts'
import { readBook } from './reconcile/books.ts'
import { finishRefunds } from './refund.ts'
import { pendingRefunds } from './refund-store.ts'
import { type Release, takeUp } from './release-store.ts'
import { finishVoids } from './resolve.ts'
import { type PaymentsById, readPayments } from './store.ts'

export type ReleaseCommand = {
  orderId: string
  requestId: string
  reason: string
  askedBy: string
  /** Captured money is given back too; without, such a charge is refused. */
  refundCaptured: boolean
  dryRun: boolean
}
/** The charge as it stood. */
export type Released = { orderId: string; charge: Charge }

/**
 * Lets go the charges of orders that do not exist: voids what is authorised, gives back what is captured. Whoever asks has made sure that orders knows nothing of them. A repeat
 * goes on with what was begun. Checks, in this order: invalid_release, has_payment, no_charge, charge_captured.
 */
export async function releaseCharges(context: PaymentContext, commands: readonly ReleaseCommand[]): Promise<Answer<Released>[]> {
  const { db, log } = context
  const orderIds = [...new Set(commands.map((command) => command.orderId).filter(isUuid))]
  // The book first: a payment that is there afterwards was there before the charge, or is none of ours to touch.
  const book = await readBook(context, orderIds.map(providerKey.authorise))
  const before = await readPayments(db, orderIds)
  const judged = commands.map((command) =>
    judge(command, { answer: book.get(providerKey.authorise(command.orderId)), payment: before.get(command.orderId) }),
  )
  const wanted = commands.flatMap((command, i): Release[] => {
    const answer = judged[i] as Answer<Released>
    if (command.dryRun || answer.kind !== 'done' || before.has(command.orderId)) return []
    const { orderId: order_id, reason, askedBy: asked_by, requestId: request_id } = command
    return [{ order_id, charge: answer.value.charge, reason, asked_by, request_id }]
  })
  if (wanted.length > 0) await db.transaction((tx) => takeUp(tx, wanted))
  for (const { order_id, charge, request_id } of wanted)
    log.warn({ order_id, request_id, status: charge.status }, 'the charge of an order that does not exist is let go, as was asked')
  const asked = commands.filter((command, i) => !command.dryRun && judged[i]?.kind === 'done').map((command) => command.orderId)
  const { payments, reasons } = await finish(context, asked)
  return commands.map((command, i) => {
    const answer = judged[i] as Answer<Released>
    const payment = payments.get(command.orderId)
    if (answer.kind !== 'done' || !payment) return answer
    // It came between our two looks.
    if (payment.method !== '') return refused('has_payment', `there is a payment of this order: it is ${payment.status}`)
    const isHeld = payment.status === 'voiding' || payment.refunded_minor < payment.captured_minor
    return isHeld ? unknown(reason(reasons, command.orderId)) : answer
  })
}

function judge(
  { orderId, reason, refundCaptured, dryRun }: ReleaseCommand,
  { answer, payment }: { answer: ChargeAnswer | undefined; payment: Payment | undefined },
): Answer<Released> {
  if (!isUuid(orderId)) return refused('invalid_release', 'the order id must be a UUID')
  if (reason === '' && !dryRun) return refused('invalid_release', 'a reason is needed')
  // A tombstone with a charge is one that was taken up before.
  const isOurs = payment === undefined || (payment.method === '' && payment.provider_ref !== null)
  if (!isOurs) return refused('has_payment', `there is a payment of this order: it is ${payment.status}`)
  if (!answer || answer.kind === 'unknown' || answer.kind === 'unavailable')
    return unknown(answer?.message ?? 'the payment provider has not said')
  if (answer.kind === 'not_found') return refused('no_charge', 'the payment provider has no charge of this order')
  const { charge } = answer
  if (!payment && charge.status !== 'authorised' && charge.status !== 'captured')
    return refused('no_charge', `the charge is ${charge.status}: it holds nothing`)
  if (!payment && charge.status === 'captured' && !refundCaptured)
    return refused(
      'charge_captured',
      `${charge.capturedMinor} ${charge.currency} were taken, so the goods have probably left: to give the money back has to be asked for`,
    )
  return done({ orderId, charge })
}

/** Voids and refunds what was taken up; what fails is left to the resolver. */
async function finish(context: PaymentContext, orderIds: readonly string[]): Promise<{ payments: PaymentsById; reasons: Reasons }> {
  const reasons: Reasons = new Map()
  if (orderIds.length === 0) return { payments: new Map(), reasons }
  const payments = await finishVoids(context, await readPayments(context.db, orderIds), reasons)
  const { payments: refunded } = await finishRefunds(context, { payments, pending: await pendingRefunds(context.db, orderIds), reasons })
  return { payments: new Map([...payments, ...refunded]), reasons }
}
