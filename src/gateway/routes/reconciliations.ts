import type { Discrepancy, Reconciliation } from '../../gen/comanda/v1/payment.ts'
import { isUuid, newId } from '../../platform/ids.ts'
import type { App, GatewayDependencies } from '../dependencies.ts'
import { doneOrThrow, Problem } from '../errors.ts'
import { AnyId, DiscrepanciesQuery, ReconcileBody } from '../schemas.ts'
import { timeOf } from '../times.ts'
import { DiscrepanciesView, ReconciliationView } from '../view-schemas.ts'
import { iso, isoOrNull } from '../views.ts'

const tags = ['payments']
const PAGE = 50
const config = { scope: 'ops' } as const

/** Our book of payments against the provider's. */
export function reconciliationRoutes(app: App, { clients }: GatewayDependencies): void {
  const start = {
    summary: "Have payments compared with the provider's book, both ways, in the background: since a time, or all of it",
    tags,
    body: ReconcileBody,
    response: { 202: ReconciliationView },
  }
  app.post('/reconciliations', { schema: start, config }, async (request, reply) => {
    const { since, dry_run: dryRun = false } = request.body ?? {}
    const command = { reconciliationId: newId(), requestId: request.id, since: timeOf('since', since), dryRun }
    const run = doneOrThrow(await clients.reconcile(command))
    return reply.code(202).header('location', `/reconciliations/${run.id}`).send(reconciliationView(run))
  })

  const get = { summary: 'What came of a reconciliation', tags, params: AnyId, response: { 200: ReconciliationView } }
  app.get('/reconciliations/:id', { schema: get, config: { ...config, problems: ['unknown_reconciliation'] } }, async (request) => {
    const id = request.params.id.toLowerCase()
    const run = isUuid(id) ? await clients.getReconciliation(id) : undefined
    if (!run) throw new Problem('unknown_reconciliation', 'there is no such reconciliation')
    return reconciliationView(run)
  })

  const list = {
    summary: "Where our book and the provider's differ and a person must look: those open, or all that there were",
    tags,
    querystring: DiscrepanciesQuery,
    response: { 200: DiscrepanciesView },
  }
  app.get('/discrepancies', { schema: list, config }, async (request) => {
    const { after, all, limit } = request.query
    const page = await clients.listDiscrepancies({ after: Number(after ?? 0), all: all === 'true', limit: Number(limit ?? PAGE) })
    return { discrepancies: page.discrepancies.map(discrepancyView), next: page.next === 0 ? null : String(page.next) }
  })
}

const reconciliationView = (run: Reconciliation) => ({
  ...{ id: run.id, status: run.status, dry_run: run.dryRun, since: isoOrNull(run.since), requested_at: iso(run.requestedAt) },
  ...{ ended_at: isoOrNull(run.endedAt), error: run.error || null, charges: run.charges, payments: run.payments },
  ...{ repaired: run.repaired, raised: run.raised, would_repair: run.wouldRepair, would_raise: run.wouldRaise },
  ...{ not_settled: run.notSettled, not_told: run.notTold },
  findings: run.findings.map(({ orderId, ref, ...finding }) => ({ ...finding, order_id: orderId || null, ref: ref || null })),
})

const discrepancyView = ({ orderId, ref, firstSeen, lastSeen, resolvedAt, ...found }: Discrepancy) => ({
  ...{ ...found, order_id: orderId || null, ref: ref || null },
  ...{ first_seen: iso(firstSeen), last_seen: iso(lastSeen), resolved_at: isoOrNull(resolvedAt) },
})
