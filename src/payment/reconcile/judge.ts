import type { PaymentContext } from '../context.ts'
import { type Charge, type ChargeAnswer, orderOfKey } from '../provider.ts'
import { databaseTime, readBook, readEntries } from './books.ts'
import { compare } from './compare.ts'
import { noteDiscrepancies, type Raised } from './discrepancies.ts'
import { type LookOptions, lookTwice, type Suspect } from './look.ts'
import { repair } from './repair.ts'

/** Judges some keys: a glance at all of them, a close look at those that differ, and then what is safe is repaired and the rest raised. */

export type Outcome = 'repaired' | 'raised' | 'would_repair' | 'would_raise'
export type JudgeOptions = LookOptions & {
  /** Only look: nothing is repaired, nothing raised. */
  dryRun: boolean
}

export type Finding = Raised & { outcome: Outcome }

/** `notSettled`: differences that are under way, or too young. `notTold`: of these the provider could not tell. */
export type Judgement = { findings: Finding[]; notSettled: string[]; notTold: string[] }

/**
 * @param listed the charges of these keys, where a page of the provider's book has them already.
 * @param closely judges all of the keys, also those that look right at a glance: those that were wrong before.
 */
export async function judge(
  context: PaymentContext,
  keys: readonly string[],
  options: JudgeOptions & { listed?: readonly Charge[]; closely?: true },
): Promise<Judgement> {
  const { listed, closely, dryRun } = options
  const suspects = closely ? [...keys] : await glance(context, keys, listed)
  if (suspects.length === 0) return { findings: [], notSettled: [], notTold: [] }

  const judgedAt = await databaseTime(context.db)
  const { agreed, wrong, notSettled, notTold } = await lookTwice(context, suspects, options)
  if (dryRun) {
    const wouldBe = (suspect: Suspect): Finding => {
      return { ...raisedAs(suspect), outcome: suspect.difference.repair ? 'would_repair' : 'would_raise' }
    }
    return { findings: wrong.map(wouldBe), notSettled, notTold }
  }

  const left = await repair(context, wrong, options)
  const findings = wrong.flatMap((suspect): Finding[] => {
    const after = left.get(suspect.key)
    if (after === undefined) return [{ ...raisedAs(suspect), outcome: 'repaired' }]
    return after === 'under way' ? [] : [{ ...raisedAs({ ...suspect, difference: after }), outcome: 'raised' }]
  })
  const underWay = wrong.map((suspect) => suspect.key).filter((key) => left.get(key) === 'under way')
  const judged = [...agreed, ...findings.map((one) => one.key)]
  await noteDiscrepancies(context.db, { judged, raised: findings.filter((one) => one.outcome === 'raised'), judgedAt, log: context.log })
  return { findings, notSettled: [...notSettled, ...underWay], notTold }
}

/** The keys that look wrong; also those that the provider can't tell of now, to be counted as such. */
async function glance(context: PaymentContext, keys: readonly string[], listed: readonly Charge[] | undefined): Promise<string[]> {
  const answers = listed
    ? new Map(listed.map((charge): [string, ChargeAnswer] => [charge.key, { kind: 'charge', charge }]))
    : await readBook(context, keys)
  const entries = await readEntries(context.db, keys)
  return keys.filter((key) => {
    const answer = answers.get(key)
    if (answer?.kind === 'unknown' || answer?.kind === 'unavailable') return true
    return compare(entries.get(key), answer?.kind === 'charge' ? answer.charge : undefined) !== undefined
  })
}

const raisedAs = ({ key, difference, entry, charge }: Suspect): Raised => ({
  key,
  kind: difference.kind,
  order_id: orderOfKey(key) ?? null,
  ref: charge?.ref ?? entry?.payment.provider_ref ?? null,
  message: difference.message,
})
