import type { Discrepancy, Reconciliation, ReleasedCharge } from '../../gen/comanda/v1/payment.ts'
import { isUuid, newId } from '../../platform/ids.ts'
import { refused } from '../../platform/outcome.ts'
import type { App, GatewayDependencies } from '../dependencies.ts'
import { doneOrThrow, Problem } from '../errors.ts'
import { AnyId, DiscrepanciesQuery, ReconcileBody, ReleaseBody } from '../schemas.ts'
import { timeOf } from '../times.ts'
import { DiscrepanciesView, ReconciliationView, ReleasesView } from '../view-schemas.ts'
import { iso, isoOrNull } from '../views.ts'

const tags = ['payments']
const PAGE = 50
/** The provider is asked to do each of them before the answer. */
const RELEASED_AT_ONCE = 100
const WHY_LEFT = 'the charge is of an order that is here, or of nobody of ours: only a person can tell'
const config = { scope: 'ops' } as const

/** Our book of payments against the provider's. */
export function reconciliationRoutes(app: App, dependencies: GatewayDependencies): void {
  const { clients } = dependencies
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

/** Charges of orders that are not here any more: after a restore to an older moment. */
export function releaseRoute(app: App, { clients }: GatewayDependencies): void {
  const release = {
    summary:
      'Let go the charges (of open discrepancies of the kind missing_here, a page of them) whose orders do not exist: void what is authorised, and refund what is captured if asked to',
    tags,
    body: ReleaseBody,
    response: { 200: ReleasesView },
  }
  app.post('/discrepancies/release', { schema: release, config }, async (request) => {
    const { reason = '', refund_captured: refundCaptured = false, dry_run: dryRun = false, after = '0' } = request.body
    if (reason === '' && !dryRun) throw new Problem('invalid_request', 'say why in reason, or look first with dry_run')
    const page = await clients.listDiscrepancies({ after: Number(after), all: false, limit: RELEASED_AT_ONCE })
    const missing = page.discrepancies.filter(({ kind }) => kind === 'missing_here')
    // An order that is here may yet want its charge, whatever payment knows.
    const orders = await Promise.all(missing.map(({ orderId }) => (isUuid(orderId) ? clients.getOrder(orderId) : undefined)))
    const gone = missing.filter(({ orderId }, i) => isUuid(orderId) && !orders[i])
    const how = { requestId: request.id, reason, askedBy: request.caller?.keyId ?? '', refundCaptured, dryRun }
    const answers = await clients.releaseCharges(gone.map(({ orderId }) => ({ orderId, ...how })))
    const byKey = new Map(gone.map(({ key }, i) => [key, answers[i]]))
    const left = missing.flatMap(({ key, orderId }) => {
      const answer = byKey.get(key) ?? refused(isUuid(orderId) ? 'order_exists' : 'not_ours', WHY_LEFT)
      if (answer.kind === 'done') return []
      return [{ key, order_id: orderId || null, code: answer.kind === 'refused' ? answer.code : answer.kind, detail: answer.message }]
    })
    const released = answers.flatMap((answer) => (answer.kind === 'done' ? [releasedView(answer.value)] : []))
    return { dry_run: dryRun, released, left, next: page.next === 0 ? null : String(page.next) }
  })
}

const releasedView = ({ orderId: order_id, amountMinor: amount_minor, ...charge }: ReleasedCharge) => ({
  order_id,
  amount_minor,
  ...charge,
})

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
