import type { OwnerName } from '../platform/config.ts'

/** The promises of docs/ARCHITECTURE.md that a check guards. */
export const PROMISES = {
  P1: 'No accepted order is lost',
  P2: 'Stock is never sold twice',
  P3: 'Money is taken once, and never kept without goods',
  P4: 'A confirmed order has exactly one set of shipments, any other none',
  P5: 'One idempotency key, one order',
  P6: 'Every order reaches an end, or lies on the dead-letter desk with the reason',
} as const
export type Promised = keyof typeof PROMISES

/** What a check looks at, and how many of it there are; see `SUBJECTS` in tables.ts. */
export type Subject = 'orders' | 'events' | 'stock' | 'movements' | 'reservations' | 'payments' | 'charges' | 'shipments'

export type Check = {
  /** Stable: I01–I28 as in the list of invariants that the project began with, I29 and up added since. */
  id: `I${number}`
  promise: Promised
  /** `always`: at every instant, in the middle of everything. `at rest`: of orders that have nothing left to do. */
  kind: 'always' | 'at rest'
  /** Which database answers; `copies`: the temporary tables of tables.ts, which hold what is needed of all four. */
  on: OwnerName | 'copies'
  about: Subject
  /** What must hold, as a sentence. */
  title: string
  /** Returns the rows that break it: none, when it holds. */
  query: string
}
