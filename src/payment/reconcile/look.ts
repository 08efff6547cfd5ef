import type { PaymentContext } from '../context.ts'
import type { Charge } from '../provider.ts'
import { readBook, readEntries } from './books.ts'
import { compare, type Difference, type Entry } from './compare.ts'

/**
 * Two books can't be read at one moment, so a difference seen at a glance proves nothing: what is under way looks the same. It counts when the charge was
 * read between two looks at the payment that found it settled, unchanged and old enough (docs/decisions/0013).
 */

export type LookOptions = {
  /** Younger changes of a payment are not judged: the provider's book may lag so much. */
  settledAfterMs: number
  /** Something in between for longer is raised when it can't be brought to an end. */
  stuckAfterMs: number
}

/** One difference that counts. */
export type Suspect = { key: string; difference: Difference; entry: Entry | undefined; charge: Charge | undefined }

type Looks = { agreed: string[]; wrong: Suspect[]; notSettled: string[]; notTold: string[] }

/** The payment, the charge, the payment again: only what stood still meanwhile is judged. */
export async function lookTwice(context: PaymentContext, keys: readonly string[], { settledAfterMs }: LookOptions): Promise<Looks> {
  const before = await readEntries(context.db, keys)
  const answers = await readBook(context, keys)
  const after = await readEntries(context.db, keys)
  const looks: Looks = { agreed: [], wrong: [], notSettled: [], notTold: [] }
  for (const key of keys) {
    const answer = answers.get(key)
    const entry = after.get(key)
    if (!answer || answer.kind === 'unknown' || answer.kind === 'unavailable') {
      looks.notTold.push(key)
      continue
    }
    const charge = answer.kind === 'charge' ? answer.charge : undefined
    const difference = compare(entry, charge)
    const stoodStill = isSame(before.get(key), entry)
    if (!stoodStill || (difference && entry && entry.ageMs < settledAfterMs)) looks.notSettled.push(key)
    else if (difference) looks.wrong.push({ key, difference, entry, charge })
    else looks.agreed.push(key)
  }
  return looks
}

/** Nothing was begun in between: each thing asked of the provider is preceded by a change of the payment, or by a pending refund. */
const isSame = (before: Entry | undefined, after: Entry | undefined): boolean =>
  before?.payment.version === after?.payment.version && before?.pendingMinor === after?.pendingMinor
