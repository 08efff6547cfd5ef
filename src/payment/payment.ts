import { type Answer, done, refused, unknown } from '../platform/outcome.ts'
import { unforeseen } from '../platform/unforeseen.ts'
import type { ProviderAnswer } from './provider.ts'

/** Rules of payment, without I/O: statuses, methods, and what each answer of the provider makes of a payment. */

export type PaymentStatus = 'intent' | 'unknown' | 'authorised' | 'declined' | 'capturing' | 'captured' | 'voiding' | 'voided' | 'refunded'

/** The whole life of a payment. `capturing` and `voiding` are committed before the provider is asked: from then on the other one has lost. */
export const nextStatuses: Record<PaymentStatus, readonly PaymentStatus[]> = {
  intent: ['unknown', 'authorised', 'declined', 'voiding', 'voided'],
  unknown: ['authorised', 'declined', 'voiding', 'voided'],
  authorised: ['capturing', 'captured', 'voiding', 'voided'],
  declined: ['voiding'], // a live charge of a payment that was declined
  capturing: ['captured', 'authorised'], // back when the provider declines the capture
  captured: ['refunded'],
  voiding: ['voided'],
  voided: ['voiding'], // a charge that appeared after "not found" was taken for final
  refunded: [],
}

export type Payment = {
  order_id: string
  status: PaymentStatus
  /** Empty: a tombstone, voided before it was ever authorised. */
  method: string
  token: string | null
  amount_minor: number
  currency: string
  captured_minor: number
  refunded_minor: number
  /** Null: there is no charge at the provider, as far as we know. */
  provider_ref: string | null
  decline_code: string | null
  decline_message: string | null
  void_requested: boolean
  /** How often the resolver has looked at it since it is in between. */
  resolves: number
  version: number
  created_at: Date
  updated_at: Date
}

export type Movement =
  | { kind: 'authorised' | 'captured' | 'refunded'; key?: string; amount_minor: number; currency: string }
  | { kind: 'voided' }
/** What changes in a payment, and the money that moves by it (a void lets go whatever was authorised). */
export type Change = Partial<
  Pick<Payment, 'status' | 'provider_ref' | 'decline_code' | 'decline_message' | 'void_requested' | 'captured_minor' | 'refunded_minor'>
> & { movements?: Movement[] }

type MethodRule = { usesProvider: boolean; maxAmountMinor?: number }
const METHODS: Record<string, MethodRule> = {
  credit_card: { usesProvider: true },
  debit_card: { usesProvider: true },
  paypal: { usesProvider: true },
  bank_transfer: { usesProvider: true },
  cash_on_delivery: { usesProvider: false, maxAmountMinor: 100_000 },
}
export const PAYMENT_METHODS: readonly string[] = Object.keys(METHODS)

/** Refusals of our own rules keep their code; whatever the provider says becomes `payment_declined`. */
const RULE_REFUSALS = new Set(['unknown_payment_method', 'payment_method_limit', 'payment_token_not_allowed'])

export type AuthoriseCommand = { orderId: string; method: string; token: string; amountMinor: number; currency: string }
export type Opening = { status: 'intent' | 'authorised' | 'declined'; decline_code: string | null; decline_message: string | null }

/** How a payment starts: asked of the provider (`intent`), authorised at once, or declined by a rule. */
export function open({ method, token, amountMinor }: AuthoriseCommand): Opening {
  const declined = (decline_code: string, decline_message: string): Opening => ({ status: 'declined', decline_code, decline_message })
  const rule = Object.hasOwn(METHODS, method) ? METHODS[method] : undefined
  if (!rule) return declined('unknown_payment_method', `there is no payment method ${method}; there are ${PAYMENT_METHODS.join(', ')}`)
  if (!rule.usesProvider && token !== '') return declined('payment_token_not_allowed', `${method} takes no payment token`)
  if (rule.maxAmountMinor !== undefined && amountMinor > rule.maxAmountMinor) {
    return declined('payment_method_limit', `${method} is taken up to ${rule.maxAmountMinor}, not ${amountMinor} (minor units)`)
  }
  return { status: rule.usesProvider && amountMinor > 0 ? 'intent' : 'authorised', decline_code: null, decline_message: null }
}

/** What can't even be stored; undefined when all is well. */
export function malformed({ method, token, amountMinor, currency }: AuthoriseCommand): { code: string; message: string } | undefined {
  if (!Number.isSafeInteger(amountMinor) || amountMinor < 0)
    return { code: 'invalid_payment', message: 'the amount must be a whole number, 0 or more' }
  if (!/^[A-Z]{3}$/.test(currency)) return { code: 'invalid_payment', message: 'the currency must be three capital letters' }
  if (!/^[\x21-\x7e]{0,255}$/.test(token)) return { code: 'invalid_payment', message: 'the payment token is malformed' }
  if (!/^[a-z0-9_]{1,50}$/.test(method)) {
    return { code: 'unknown_payment_method', message: `there is no such payment method; there are ${PAYMENT_METHODS.join(', ')}` }
  }
  return undefined
}

/** Whether there must be a charge at the provider for it to be authorised. */
export const usesProvider = ({ method, amount_minor }: Pick<Payment, 'method' | 'amount_minor'>): boolean =>
  amount_minor > 0 && Object.hasOwn(METHODS, method) && METHODS[method]?.usesProvider === true

/** Whether an authorisation is still to be had: neither decided nor to be voided. */
export const isWanted = ({ status, void_requested }: Payment): boolean => (status === 'intent' || status === 'unknown') && !void_requested

/** Whether the provider may hold a charge that we have not seen: asked, not answered. A void taken for final stays here until seen or given up. */
export function isOpen({ status, provider_ref, void_requested }: Payment): boolean {
  return status === 'intent' || status === 'unknown' || (status === 'voided' && void_requested && provider_ref === null)
}

/** Where a payment waits for the provider: asked, not answered. */
export const isInBetween = ({ status }: Pick<Payment, 'status'>): boolean => ['intent', 'unknown', 'capturing', 'voiding'].includes(status)

/** Whether this change brings a result that its first asker was left without: then orders is told of it. */
export const isLateResult = (before: Payment, after: Pick<Payment, 'status'>): boolean =>
  before.status !== after.status && !isInBetween(after) && (before.status === 'unknown' || before.resolves > 0)

/** Whether the answer is about another amount or currency than was asked: then the charge is let go, and someone should look. */
export const isWrongAmount = (payment: Payment, answer: ProviderAnswer): boolean =>
  answer.kind === 'approved' && (answer.amountMinor !== payment.amount_minor || answer.currency !== payment.currency)

/** What the provider's answer to an authorise or a lookup changes; nothing when the payment was decided meanwhile. */
export function afterAuthorise(payment: Payment, answer: ProviderAnswer): Change | undefined {
  if (!isOpen(payment)) return undefined
  switch (answer.kind) {
    case 'approved': {
      const { ref: provider_ref, amountMinor: amount_minor, currency } = answer
      const held: Change = { provider_ref, movements: [{ kind: 'authorised', amount_minor, currency }] }
      if (isWrongAmount(payment, answer)) {
        const decline_message = `the provider authorised ${amount_minor} ${currency} instead of ${payment.amount_minor} ${payment.currency}`
        return { ...held, status: 'voiding', decline_code: 'wrong_amount', decline_message }
      }
      return { ...held, status: payment.void_requested ? 'voiding' : 'authorised' }
    }
    case 'declined':
      return payment.status === 'voided' ? undefined : { status: 'declined', decline_code: answer.code, decline_message: answer.message }
    case 'unknown':
      return payment.status === 'intent' ? { status: 'unknown' } : undefined
    case 'unavailable':
      return undefined
    default:
      return unforeseen(answer)
  }
}

/** What a request to void changes before anyone is asked. */
export function requestVoid(payment: Payment): Change | undefined {
  switch (payment.status) {
    case 'intent':
    case 'unknown':
      return payment.void_requested ? undefined : { void_requested: true }
    case 'authorised':
      return payment.provider_ref === null ? { status: 'voided', movements: [{ kind: 'voided' }] } : { status: 'voiding' }
    case 'declined':
    case 'capturing':
    case 'captured':
    case 'voiding':
    case 'voided':
    case 'refunded':
      return undefined
    default:
      return unforeseen(payment.status)
  }
}

/** What a request to capture changes before anyone is asked. */
export function requestCapture(payment: Payment): Change | undefined {
  if (payment.status !== 'authorised') return undefined
  return payment.provider_ref === null ? captured(payment) : { status: 'capturing' }
}

export function captured({ amount_minor, currency }: Payment): Change {
  return { status: 'captured', captured_minor: amount_minor, movements: [{ kind: 'captured', amount_minor, currency }] }
}

/** The stored decision, as the answer to a command to authorise. */
export function authoriseAnswer(command: AuthoriseCommand, payment: Payment, why: string): Answer<Payment> {
  // Also one that holds a charge, which is being let go.
  if (payment.method === '') return refusedAsVoided()
  const isSame = payment.method === command.method && payment.amount_minor === command.amountMinor && payment.currency === command.currency
  if (!isSame) return refused('payment_mismatch', `order ${command.orderId} has a payment already, of another amount or method`)
  switch (payment.status) {
    case 'authorised':
    case 'capturing':
    case 'captured':
    case 'refunded':
      return done(payment)
    case 'voiding': // of a wrong amount: refused only when it is let go, so that the caller asks again until it is
      return payment.decline_code === null ? refusedAsVoided() : unknown(why)
    case 'declined':
    case 'voided':
      return payment.decline_code === null ? refusedAsVoided() : refusedAsDeclined(payment.decline_code, payment.decline_message ?? '')
    case 'intent':
    case 'unknown':
      return payment.void_requested ? refusedAsVoided() : unknown(why)
    default:
      return unforeseen(payment.status)
  }
}

const refusedAsVoided = () => refused('payment_voided', 'the payment of this order was voided')
const refusedAsDeclined = (code: string, message: string) => refused(RULE_REFUSALS.has(code) ? code : 'payment_declined', message)

export function voidAnswer({ status }: Payment, why: string): Answer<null> {
  switch (status) {
    case 'voided':
    case 'declined':
      return done(null)
    case 'captured':
    case 'refunded':
      return refused('payment_captured', 'the money was taken already: refund it')
    case 'intent':
    case 'unknown':
    case 'authorised':
    case 'capturing':
    case 'voiding':
      return unknown(why)
    default:
      return unforeseen(status)
  }
}

export function captureAnswer({ status }: Payment, why: string): Answer<null> {
  switch (status) {
    case 'captured':
    case 'refunded':
      return done(null)
    case 'voiding':
    case 'voided':
      return refusedAsVoided()
    case 'intent':
    case 'unknown':
    case 'declined':
      return refused('payment_not_authorised', `the payment is not authorised, but ${status}`)
    case 'authorised': // the provider declined to capture it
      return refused('capture_declined', why)
    case 'capturing':
      return unknown(why)
    default:
      return unforeseen(status)
  }
}

export type Refund = {
  order_id: string
  refund_id: string
  amount_minor: number
  status: 'pending' | 'done' | 'refused'
  refusal_code: string | null
  refusal_message: string | null
}

/** The first decision on a refund. Checks, in this order: payment_not_captured, invalid_payment, refund_too_large. */
export function decideRefund(
  payment: Payment,
  earlier: readonly Refund[],
  { refundId, amountMinor }: { refundId: string; amountMinor: number },
): Refund {
  const refund: Refund = {
    order_id: payment.order_id,
    refund_id: refundId,
    amount_minor: amountMinor,
    status: payment.provider_ref === null ? 'done' : 'pending',
    refusal_code: null,
    refusal_message: null,
  }
  const refuse = (refusal_code: string, refusal_message: string): Refund => ({
    ...refund,
    status: 'refused',
    refusal_code,
    refusal_message,
  })
  if (payment.status !== 'captured' && payment.status !== 'refunded') {
    return refuse('payment_not_captured', `only captured money can be refunded; the payment is ${payment.status}`)
  }
  if (amountMinor <= 0) return refuse('invalid_payment', 'the amount to refund must be more than 0')
  const taken = earlier.reduce((sum, other) => sum + (other.status === 'refused' ? 0 : other.amount_minor), 0)
  const left = payment.captured_minor - taken
  if (amountMinor > left)
    return refuse('refund_too_large', `${amountMinor} can't be refunded: ${left} is left of ${payment.captured_minor} (minor units)`)
  return refund
}

/** What refunds that are done now change in their payment. */
export function refunded(payment: Payment, refunds: readonly Refund[]): Change {
  const refunded_minor = refunds.reduce((sum, refund) => sum + refund.amount_minor, payment.refunded_minor)
  return {
    refunded_minor,
    ...(refunded_minor === payment.captured_minor && { status: 'refunded' as const }),
    movements: refunds.map(({ refund_id, amount_minor }) => ({
      kind: 'refunded',
      key: refund_id,
      amount_minor,
      currency: payment.currency,
    })),
  }
}
