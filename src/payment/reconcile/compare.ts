import { isInBetween, type Payment, usesProvider } from '../payment.ts'
import type { Charge } from '../provider.ts'

/** Where our book and the provider's differ, as pure rules: what is wrong with one payment and its charge, and what may be done about it. */

/** A payment as it was read, with what is needed to judge it. */
export type Entry = {
  payment: Payment
  /** Money of refunds that the provider has not decided. */
  pendingMinor: number
  /** Since it last changed, or since its oldest undecided refund was asked for; by the database's clock. */
  ageMs: number
}

export type DifferenceKind =
  | 'missing_here'
  | 'missing_there'
  | 'unwanted_charge'
  | 'in_between'
  | 'ref_differs'
  | 'status_differs'
  | 'amount_differs'
  | 'refunds_differ'

/** `void`: the charge can be let go, for no payment wants it. `resolve`: asking the provider with our keys brings it to an end. None: a person must look. */
export type Difference = { kind: DifferenceKind; message: string; repair?: 'void' | 'resolve' }

const isLive = (charge: Charge | undefined): charge is Charge => charge?.status === 'authorised' || charge?.status === 'captured'
const holds = (charge: Charge) =>
  `the provider has ${charge.status === 'captured' ? 'captured' : 'authorised'} ${charge.amountMinor} ${charge.currency}`

/** The first thing that is wrong, in this order: missing_here, in_between, then of settled payments as `compareSettled` has it. Undefined: they agree. */
export function compare(entry: Entry | undefined, charge: Charge | undefined): Difference | undefined {
  if (!entry) return isLive(charge) ? { kind: 'missing_here', message: `${holds(charge)} for a payment that we do not have` } : undefined
  const { payment, pendingMinor } = entry
  if (isInBetween(payment) || pendingMinor > 0) {
    const ours = pendingMinor > 0 ? `a refund of ${pendingMinor} is pending` : `the payment is ${payment.status}`
    return { kind: 'in_between', message: `${ours}, and ${charge ? charge.status : 'not found'} at the provider`, repair: 'resolve' }
  }
  return payment.provider_ref === null ? compareUncharged(payment, charge) : compareCharged(payment, charge)
}

/** A settled payment that has no charge, as far as we know. */
function compareUncharged(payment: Payment, charge: Charge | undefined): Difference | undefined {
  const isWanted = payment.status !== 'voided' && payment.status !== 'declined'
  if (isWanted && usesProvider(payment)) return { kind: 'missing_there', message: `the payment is ${payment.status} and has no charge` }
  if (!isLive(charge)) return undefined
  const message = `${holds(charge)}, and the payment is ${payment.status}${isWanted ? ` by ${payment.method}` : ''}`
  return { kind: 'unwanted_charge', message, ...(!isWanted && charge.status === 'authorised' && { repair: 'void' as const }) }
}

/** A settled payment with the charge that it should have. Checks, in this order: missing_there, ref_differs, status, amount, refunds. */
function compareCharged(payment: Payment, charge: Charge | undefined): Difference | undefined {
  const { status, provider_ref, amount_minor, captured_minor, refunded_minor, currency } = payment
  if (!charge) return { kind: 'missing_there', message: `the payment is ${status}, and the provider has no charge of it` }
  if (charge.ref !== provider_ref) {
    return { kind: 'ref_differs', message: `our charge is ${provider_ref}, the provider's is ${charge.ref} (${charge.status})` }
  }
  if (status === 'voided' && charge.status === 'authorised') {
    return { kind: 'unwanted_charge', message: `${holds(charge)}, and the payment is voided`, repair: 'void' }
  }
  const expected = status === 'refunded' ? 'captured' : status
  if (charge.status !== expected) return { kind: 'status_differs', message: `the payment is ${status}, its charge ${charge.status}` }
  if (status === 'voided') return undefined
  const isSameAmount = charge.amountMinor === amount_minor && charge.currency === currency && charge.capturedMinor === captured_minor
  if (!isSameAmount) {
    const theirs = `${charge.amountMinor} ${charge.currency} of which ${charge.capturedMinor} captured`
    return { kind: 'amount_differs', message: `the payment is ${amount_minor} ${currency}, its charge ${theirs}` }
  }
  if (charge.refundedMinor !== refunded_minor) {
    return { kind: 'refunds_differ', message: `we refunded ${refunded_minor} ${currency}, the provider ${charge.refundedMinor}` }
  }
  return undefined
}
