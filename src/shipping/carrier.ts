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
export type BookAnswer = { kind: 'booked'; carrier: string; trackingNumber: string } | { kind: 'refused'; code: string; message: string } | Unknown | Unavailable
export type CancelAnswer = { kind: 'cancelled' } | Unknown | Unavailable

/** Asks about many. A call that fails says nothing about what it did, so its items are unknown. */
export async function askCarrier<Q, A>(items: readonly Q[], call: (items: readonly Q[]) => Promise<readonly A[]>): Promise<(A | Unknown)[]> {
  if (items.length === 0) return []
  try {
    const answers = await call(items)
    if (answers.length !== items.length) throw new Error(`${answers.length} answers to ${items.length} requests`)
    return [...answers]
  } catch (error) {
    return items.map(() => ({ kind: 'unknown', message: `the carrier failed: ${(error as Error).message}` }))
  }
}
