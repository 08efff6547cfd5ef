import { type Loop, startLoop } from '../../platform/loop.ts'
import type { PaymentContext } from '../context.ts'
import { type Report, reconcile, TooManyDifferences } from './reconcile.ts'
import { claimRun, endRun, keepRun, putOffRun, type Run, scheduleRun } from './run-store.ts'

/** Runs reconciliations, one at a time in each process: those asked for, and one every so often. */

const MOST_TRIES = 5
const FIRST_PAUSE_MS = 2_000

export const startReconciler = (context: PaymentContext, everyMs: number): Loop =>
  startLoop({ name: 'reconciling', work: () => runOnce(context, everyMs), log: context.log })

export async function runOnce(context: PaymentContext, everyMs: number): Promise<'more' | 'idle'> {
  await scheduleRun(context.db, everyMs)
  const run = await claimRun(context.db)
  if (!run) return 'idle'
  const line = { reconciliation_id: run.id, kind: run.kind, dry_run: run.dry_run }
  try {
    const report = await reconcile(context, { since: run.since, dryRun: run.dry_run, keepGoing: () => keepRun(context.db, run) })
    await endRun(context.db, run, { report })
    tell(context, { line, report })
  } catch (error) {
    await failed(context, { run, error: error as Error })
    context.log.warn({ ...line, error: (error as Error).message }, 'the reconciliation could not be finished')
  }
  return 'more'
}

/** Tried again some times, ever later; a scheduled one that ends so leaves its window to the next. */
async function failed({ db }: PaymentContext, { run, error }: { run: Run; error: Error }): Promise<void> {
  if (error instanceof TooManyDifferences || run.tries >= MOST_TRIES) await endRun(db, run, { error: error.message })
  else await putOffRun(db, run, { error: error.message, ms: FIRST_PAUSE_MS * 2 ** run.tries })
}

function tell({ log }: PaymentContext, { line, report }: { line: object; report: Report }): void {
  const { charges, payments, counts } = report
  log.info({ ...line, charges, payments, ...counts }, `reconciled with the provider: ${counts.repaired} repaired, ${counts.raised} raised`)
}
