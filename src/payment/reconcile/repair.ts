import type { PaymentContext, Reasons } from '../context.ts'
import type { Change, Payment } from '../payment.ts'
import { askProvider, type Charge, providerKey } from '../provider.ts'
import { pendingRefunds } from '../refund-store.ts'
import { finishVoids } from '../resolve.ts'
import { resolvePayments, resolveRefunds } from '../resolver.ts'
import { changePayments } from '../store.ts'
import type { Difference } from './compare.ts'
import { type LookOptions, lookTwice, type Suspect } from './look.ts'

/** What is still wrong after the repairs, by key. Not there: repaired. `under way`: begun, and the resolver will finish it. */
export type Left = Map<string, Difference | 'under way'>

/** Does what is safe, by the same rules and with the same keys as the commands, and looks again at what came of it. */
export async function repair(context: PaymentContext, suspects: readonly Suspect[], options: LookOptions): Promise<Left> {
  const left: Left = new Map(suspects.filter(({ difference }) => !difference.repair).map(({ key, difference }) => [key, difference]))
  const tried = suspects.filter(({ difference }) => difference.repair)
  if (tried.length === 0) return left

  await letGo(
    context,
    tried.filter(({ difference }) => difference.repair === 'void'),
  )
  const stuck = tried.filter(({ difference }) => difference.repair === 'resolve').flatMap(({ entry }) => (entry ? [entry.payment] : []))
  await resolvePayments(context, stuck)
  await resolveRefunds(
    context,
    await pendingRefunds(
      context.db,
      stuck.map((payment) => payment.order_id),
    ),
  )

  const { agreed, wrong } = await lookTwice(
    context,
    tried.map((suspect) => suspect.key),
    options,
  )
  const isRepaired = new Set(agreed)
  const still = new Map(wrong.map((suspect) => [suspect.key, suspect.difference]))
  for (const { key, entry } of tried) {
    const difference = still.get(key)
    const isStuck = difference?.kind !== 'in_between' || (entry?.ageMs ?? 0) >= options.stuckAfterMs
    if (!isRepaired.has(key)) left.set(key, difference && isStuck ? difference : 'under way')
  }
  return left
}

/** Voids charges of payments that are voided or declined. Such a payment never comes to life again, so nobody can want its charge. */
async function letGo(context: PaymentContext, suspects: readonly Suspect[]): Promise<void> {
  const charges = new Map(suspects.flatMap(({ entry, charge }) => (entry && charge ? [[entry.payment.order_id, charge] as const] : [])))
  if (charges.size === 0) return
  const again: { key: string; ref: string }[] = []
  const payments = await changePayments(context.db, [...charges.keys()], (payment) => {
    const charge = charges.get(payment.order_id) as Charge
    // The provider said that it was let go: all that can be done is to ask once more, with the same key.
    if (payment.status === 'voided' && payment.provider_ref === charge.ref)
      again.push({ key: providerKey.void(payment.order_id), ref: charge.ref })
    return found(payment, charge)
  })
  await askProvider(again, (requests) => context.provider.void(requests))
  const reasons: Reasons = new Map()
  await finishVoids(context, payments, reasons)
  for (const order_id of charges.keys())
    context.log.warn({ order_id }, `a charge that no payment wants: ${reasons.get(order_id) ?? 'voided'}`)
}

/** Under the lock: the charge that we had not is held by us now, and about to be let go. */
function found(payment: Payment, { ref: provider_ref, amountMinor: amount_minor, currency }: Charge): Change | undefined {
  const isEnded = payment.status === 'voided' || payment.status === 'declined'
  if (!isEnded || payment.provider_ref !== null) return undefined
  return { status: 'voiding', provider_ref, movements: [{ kind: 'authorised', amount_minor, currency }] }
}
