import type { Discrepancy as DiscrepancyMessage, Reconciliation } from '../../gen/comanda/v1/payment.ts'
import type { Discrepancy } from './discrepancies.ts'
import type { Run } from './run-store.ts'

/** From rows to the wire. */

export function reconciliationMessage(run: Run): Reconciliation {
  const { counts, findings = [], charges = 0, payments = 0 } = run.report ?? {}
  return {
    id: run.id,
    status: statusOf(run),
    dryRun: run.dry_run,
    since: run.since ?? undefined,
    requestedAt: run.requested_at,
    endedAt: run.ended_at ?? undefined,
    error: run.error ?? '',
    charges,
    payments,
    repaired: counts?.repaired ?? 0,
    raised: counts?.raised ?? 0,
    wouldRepair: counts?.would_repair ?? 0,
    wouldRaise: counts?.would_raise ?? 0,
    notSettled: counts?.not_settled ?? 0,
    notTold: counts?.not_told ?? 0,
    findings: findings.map(({ order_id, ref, ...finding }) => ({ ...finding, orderId: order_id ?? '', ref: ref ?? '' })),
  }
}

function statusOf({ ended_at, report, tries }: Run): string {
  if (ended_at) return report ? 'done' : 'failed'
  return tries > 0 ? 'running' : 'waiting'
}

export const discrepancyMessage = (found: Discrepancy): DiscrepancyMessage => ({
  id: found.id,
  key: found.key,
  orderId: found.order_id ?? '',
  ref: found.ref ?? '',
  kind: found.kind,
  message: found.message,
  firstSeen: found.first_seen,
  lastSeen: found.last_seen,
  resolvedAt: found.resolved_at ?? undefined,
})
