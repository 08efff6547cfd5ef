import type { Log } from '../platform/log.ts'
import type { Database } from '../platform/postgres.ts'
import type { PaymentProvider } from './provider.ts'

/** What every command of payment works with. */
export type PaymentContext = {
  db: Database
  provider: PaymentProvider
  log: Log
  /** How long after the provider was last asked its "not found" means that there never will be a charge. */
  notFoundIsFinalAfterMs: number
}

/** Why an outcome isn't known, by order id. */
export type Reasons = Map<string, string>
const NOT_SAID = 'the payment provider has not said what became of it'
export const reason = (reasons: Reasons, orderId: string) => reasons.get(orderId) ?? NOT_SAID
