import type { ServiceImplementation } from 'nice-grpc'
import type { PaymentServiceDefinition } from '../../gen/comanda/v1/payment.ts'
import { isUuid } from '../../platform/ids.ts'
import { type Answer, done, refused, toWire } from '../../platform/outcome.ts'
import type { PaymentContext } from '../context.ts'
import { listDiscrepancies } from './discrepancies.ts'
import { discrepancyMessage, reconciliationMessage } from './messages.ts'
import { askForRuns, type Run, readRuns } from './run-store.ts'

const MOST_LISTED = 200

type Calls = Pick<ServiceImplementation<PaymentServiceDefinition>, 'reconcile' | 'getReconciliations' | 'listDiscrepancies'>

/** Reconciliations over gRPC. `wake`: there is one to run. */
export function reconciliationCalls({ db, log }: PaymentContext, wake: () => void): Calls {
  return {
    async reconcile({ commands }) {
      const sound = commands.filter((command) => isUuid(command.reconciliationId))
      const runs = await askForRuns(
        db,
        sound.map(({ reconciliationId: id, since = null, dryRun }) => ({ id, since, dryRun })),
      )
      wake()
      const answers = commands.map(({ reconciliationId, requestId, dryRun }): Answer<Run> => {
        const run = runs.get(reconciliationId)
        if (!run) return refused('invalid_reconciliation', 'the reconciliation id must be a UUID')
        log.info({ reconciliation_id: run.id, request_id: requestId, dry_run: dryRun }, 'a reconciliation was asked for')
        return done(run)
      })
      return { outcomes: answers.map((answer) => toWire(answer, reconciliationMessage)) }
    },
    async getReconciliations({ reconciliationIds }) {
      const found = await readRuns(db, reconciliationIds.filter(isUuid))
      return { reconciliations: reconciliationIds.flatMap((id) => found.get(id) ?? []).map(reconciliationMessage) }
    },
    async listDiscrepancies({ queries }) {
      const pages = queries.map(async ({ after, limit: asked, all }) => {
        const limit = Math.min(Math.max(1, asked), MOST_LISTED)
        const found = await listDiscrepancies(db, { after, limit, which: all ? 'all' : 'open' })
        return { discrepancies: found.map(discrepancyMessage), next: found.length === limit ? (found.at(-1)?.id ?? 0) : 0 }
      })
      return { pages: await Promise.all(pages) }
    },
  }
}
