import type { Check } from './check.ts'
import { moneyChecks } from './money-checks.ts'
import { orderChecks } from './order-checks.ts'
import { shipmentChecks } from './shipment-checks.ts'
import { stockChecks } from './stock-checks.ts'

/** All that `comanda audit` checks, in the order in which it is shown. docs/AUDIT.md is the same list in words; a test compares the two. */
export const checks: readonly Check[] = [...orderChecks, ...stockChecks, ...moneyChecks, ...shipmentChecks]
