import type { Unavailable, Unknown } from '../platform/outcome.ts'
import type { ParcelAddress } from './shipment.ts'

/**
 * The port to whoever carries the parcels. Batch-first: one answer per request, in the same order. Keyed by shipment id: the same key is
 * the same booking for ever, so asking again is safe.
 */
export interface Carrier {
  book(requests: readonly BookRequest[]): Promise<readonly BookAnswer[]>
  /** Calls bookings off; one that never was or is off already is done too. */
  cancel(shipmentIds: readonly string[]): Promise<readonly CancelAnswer[]>
}

/** Without an address the goods are collected at the location. */
export type BookRequest = { shipmentId: string; method: string; weightGrams: number; address: ParcelAddress | null }
export type BookAnswer =
  | { kind: 'booked'; carrier: string; trackingNumber: string }
  | { kind: 'refused'; code: string; message: string }
  | Unknown
  | Unavailable
export type CancelAnswer = { kind: 'cancelled' } | Unknown | Unavailable

/** How long one call may take: shorter than the deadline of our own callers, so that they hear from us. */
const BUDGET_MS = 4_000

/** Asks about many. A call that fails or takes too long says nothing about what it did, so its items are unknown. */
export async function askCarrier<Q, A>(
  items: readonly Q[],
  call: (items: readonly Q[]) => Promise<readonly A[]>,
  { budgetMs = BUDGET_MS }: { budgetMs?: number } = {},
): Promise<(A | Unknown)[]> {
  if (items.length === 0) return []
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${budgetMs} ms`)), budgetMs)
  })
  try {
    const answers = await Promise.race([call(items), late])
    if (answers.length !== items.length) throw new Error(`${answers.length} answers to ${items.length} requests`)
    return [...answers]
  } catch (error) {
    return items.map(() => ({ kind: 'unknown', message: `the carrier failed: ${(error as Error).message}` }))
  } finally {
    clearTimeout(timer)
  }
}
