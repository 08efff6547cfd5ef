import { isUuid } from '../platform/ids.ts'
import { type Unavailable, type Unknown, unknown } from '../platform/outcome.ts'

/**
 * The port to whoever moves the money. Batch-first: one answer per request, in the same order, and always an answer, within the
 * provider's own budget of time. Keys are stable for ever: the same key is the same request and gets the same answer, so asking again is safe.
 */
export interface PaymentProvider {
  authorise(requests: readonly AuthoriseRequest[]): Promise<readonly ProviderAnswer[]>
  capture(requests: readonly MoveRequest[]): Promise<readonly ProviderAnswer[]>
  void(requests: readonly VoidRequest[]): Promise<readonly ProviderAnswer[]>
  refund(requests: readonly MoveRequest[]): Promise<readonly ProviderAnswer[]>
  /** What became of authorise requests, by their keys. `not_found` may be too early: the provider's book can lag behind. */
  lookup(keys: readonly string[]): Promise<readonly LookupAnswer[]>
  /** The charges as they stand now, by the keys of their authorise requests. Like `lookup`, it may miss what is only just made. */
  readCharges(keys: readonly string[]): Promise<readonly ChargeAnswer[]>
  /**
   * A page of the provider's book: charges created at `since` or later (all: undefined), declined ones too. `after` is the `next` of the page before; `next` is null at
   * the end. What is created, or appears late, while pages are read may be left out. @throws when the provider can't say.
   */
  listCharges(page: { since: Date | undefined; after: string | undefined; limit: number }): Promise<ChargePage>
  /** How long it certainly knows a key again. Asked with it later, it may do the thing a second time. */
  readonly remembersKeysMs: number
}

export type AuthoriseRequest = { key: string; orderRef: string; method: string; token: string; amountMinor: number; currency: string }
/** `ref` names the charge, as the provider answered it. */
export type MoveRequest = { key: string; ref: string; amountMinor: number; currency: string }
export type VoidRequest = { key: string; ref: string }

/** The amount is what the provider says it holds or moved: compare it, don't trust it. */
export type Approved = { kind: 'approved'; ref: string; amountMinor: number; currency: string }
export type Declined = { kind: 'declined'; code: string; message: string }
/** `unavailable`: certainly not processed. `unknown`: may have been processed; also every error the provider can't explain. */
export type ProviderAnswer = Approved | Declined | Unknown | Unavailable
export type LookupAnswer = ProviderAnswer | { kind: 'not_found' }

/** A line of the provider's book. `key` is that of its authorise request. */
export type Charge = {
  key: string
  ref: string
  status: 'authorised' | 'captured' | 'voided' | 'declined'
  amountMinor: number
  capturedMinor: number
  refundedMinor: number
  currency: string
}
export type ChargeAnswer = { kind: 'charge'; charge: Charge } | { kind: 'not_found' } | Unknown | Unavailable
export type ChargePage = { charges: readonly Charge[]; next: string | null }

export const providerKey = {
  authorise: (orderId: string) => `auth:${orderId}`,
  capture: (orderId: string) => `capture:${orderId}`,
  void: (orderId: string) => `void:${orderId}`,
  refund: (orderId: string, refundId: string) => `refund:${orderId}:${refundId}`,
}

/** The order of an authorise key of ours; undefined for a key that we never make. */
export function orderOfKey(key: string): string | undefined {
  const orderId = key.startsWith('auth:') ? key.slice('auth:'.length) : ''
  return isUuid(orderId) ? orderId : undefined
}

/** Asks about many. A call that fails says nothing about what it did, so its items are unknown, never failed. */
export async function askProvider<Q, A>(
  items: readonly Q[],
  call: (items: readonly Q[]) => Promise<readonly A[]>,
): Promise<(A | Unknown)[]> {
  if (items.length === 0) return []
  try {
    const answers = await call(items)
    if (answers.length !== items.length) throw new Error(`${answers.length} answers to ${items.length} requests`)
    return [...answers]
  } catch (error) {
    return items.map(() => unknown(`the payment provider failed: ${(error as Error).message}`))
  }
}
