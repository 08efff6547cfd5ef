import type { ServiceImplementation } from 'nice-grpc'
import type { Payment as PaymentMessage, PaymentServiceDefinition, ReleasedCharge } from '../gen/comanda/v1/payment.ts'
import { followed } from '../platform/followed.ts'
import { isUuid } from '../platform/ids.ts'
import { meter } from '../platform/metrics.ts'
import { type Answer, toWire } from '../platform/outcome.ts'
import { inTrace } from '../platform/tracing.ts'
import { authorisePayments } from './authorise.ts'
import { capturePayments } from './capture.ts'
import type { PaymentContext } from './context.ts'
import { followedProvider } from './followed-provider.ts'
import type { Payment } from './payment.ts'
import { reconciliationCalls } from './reconcile/service.ts'
import { refundPayments } from './refund.ts'
import { type Released, releaseCharges } from './release.ts'
import { readPayments } from './store.ts'
import { voidPayments } from './void.ts'

/** How long the provider's book may lag: only after it does "not found" mean that there never will be a charge. */
export const NOT_FOUND_IS_FINAL_AFTER_MS = 60_000

/** By what a done one is called in the log. */
const STEPS = { authorised: 'authorise', captured: 'capture', voided: 'void', refunded: 'refund' } as const

/** payment over gRPC. Rules in payment.ts; each command in the file of its name; SQL in the stores; the provider behind provider.ts. */
export function paymentService(
  context: PaymentContext,
  wakeReconciler: () => void = () => {},
): ServiceImplementation<PaymentServiceDefinition> {
  const to = meter()
  const tell = (
    commands: readonly { orderId: string; requestId: string; traceparent?: string }[],
    answers: readonly Answer<Payment>[],
    words: keyof typeof STEPS,
  ) => {
    answers.forEach((answer, i) => {
      to?.count('comanda_payments_total', { step: STEPS[words], outcome: answer.kind })
      const { orderId: order_id, requestId: request_id, traceparent } = commands[i] ?? {}
      const line = { order_id, request_id, ...inTrace(traceparent) }
      if (answer.kind === 'done')
        context.log.info({ ...line, amount_minor: answer.value.amount_minor, currency: answer.value.currency }, `payment ${words}`)
      else if (answer.kind === 'refused') context.log.info({ ...line, code: answer.code }, `payment not ${words}: ${answer.message}`)
      else context.log.warn(line, `payment not known to be ${words}: ${answer.message}`)
    })
    return { outcomes: answers.map((answer) => toWire(answer, paymentMessage)) }
  }
  const around = (commands: readonly { orderId: string; traceparent?: string }[]): PaymentContext => ({
    ...context,
    db: followed(context.db, 'payment', commands),
    provider: followedProvider(context.provider, commands),
  })
  const orderIds = (commands: readonly { orderId: string }[]) => commands.map((command) => command.orderId)
  return {
    ...reconciliationCalls(context, wakeReconciler),
    async authorizePayments({ commands }) {
      return tell(commands, await authorisePayments(around(commands), commands), 'authorised')
    },
    async capturePayments({ commands }) {
      return tell(commands, await capturePayments(around(commands), orderIds(commands)), 'captured')
    },
    async voidPayments({ commands }) {
      return tell(commands, await voidPayments(around(commands), orderIds(commands)), 'voided')
    },
    async refundPayments({ commands }) {
      return tell(commands, await refundPayments(around(commands), commands), 'refunded')
    },
    async releaseCharges({ commands }) {
      const answers = await releaseCharges(context, commands)
      return { outcomes: answers.map((answer) => toWire(answer, releasedMessage)) }
    },
    async getPayments({ orderIds }) {
      const found = await readPayments(context.db, orderIds.filter(isUuid))
      return { payments: orderIds.flatMap((orderId) => found.get(orderId) ?? []).map(paymentMessage) }
    },
  }
}

const releasedMessage = ({ orderId, charge: { ref, status, amountMinor, currency } }: Released): ReleasedCharge => ({
  orderId,
  ref,
  status,
  amountMinor,
  currency,
})

function paymentMessage(payment: Payment): PaymentMessage {
  return {
    orderId: payment.order_id,
    status: payment.status,
    method: payment.method,
    amountMinor: payment.amount_minor,
    currency: payment.currency,
    capturedMinor: payment.captured_minor,
    refundedMinor: payment.refunded_minor,
    providerRef: payment.provider_ref ?? '',
    declineCode: payment.decline_code ?? '',
    createdAt: payment.created_at,
    updatedAt: payment.updated_at,
  }
}
