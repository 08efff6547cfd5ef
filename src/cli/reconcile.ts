import { setTimeout as delay } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import type { Api } from './api.ts'
import { Failure, quietExit } from './failure.ts'
import { durationMs, jsonOption, urlOption, wholeNumber, withApi } from './options.ts'
import { readPages } from './pages.ts'
import { drawDiscrepancies, drawReconciliation, drawReleases } from './reconcile-report.ts'
import { terminalOf } from './terminal.ts'
import type { DiscrepancyJson, ReconciliationJson, ReleasesJson } from './wire.ts'

type Options = { since: number; all?: true; dryRun?: true; json?: true }

type Release = { reason: string; refundCaptured?: true; dryRun?: true; json?: true }

const LOOK_EVERY_MS = 300
const RELEASE_HELP = `
Exit code 1: something is left that a person must look at. What has to be done before, and why: docs/OPERATING.md, "Backup and restore".

Examples
  comanda reconcile --all              find them
  comanda reconcile release --dry-run  what would be let go
  comanda reconcile release --reason "restored the backup of 31 January"`
const HELP = `
Exit code 0: the books agree, or what differed is repaired. 1: something is left that a person must look at. What is compared, and what is done: docs/PAYMENTS.md

Examples
  comanda reconcile                  the last day
  comanda reconcile --dry-run --all  only look, at everything
  comanda reconcile list             what is open
  comanda reconcile release --help   after a restore`

export function reconcileCommand(program: Command): void {
  const reconcile = program
    .command('reconcile')
    .summary("compare payments with the provider's book, and repair")
    .description("Compare our payments with the payment provider's book, both ways; repair what is safe to repair, raise the rest.")
    .helpCommand(false)
    .addHelpText('after', HELP)
  reconcile
    .command('run', { isDefault: true })
    .summary('the same as without "run"')
    .description('Compare the two books now.')
    .option('--since <time>', 'how far to look back: 30m, 1h, 48h', durationMs, 24 * 3_600_000)
    .addOption(new Option('--all', 'look at everything').conflicts('since'))
    .option('--dry-run', 'only look; change nothing')
    .addOption(urlOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((options: Options, command: Command) =>
      withApi(command, async (api) => {
        const run = await untilEnded(api, await start(api, options))
        const open = await openDiscrepancies(api)
        const terminal = terminalOf(command)
        terminal.out(options.json ? JSON.stringify({ ...run, open }, null, 2) : drawReconciliation(run, open, terminal))
        if (run.status !== 'done' || run.raised + run.would_raise + run.would_repair + run.not_told > 0 || open.length > 0)
          throw quietExit(1)
      }),
    )
  reconcile
    .command('list')
    .description('List where the books differ and a person must look.')
    .option('--resolved', 'also those that are gone')
    .option('-n, --limit <n>', 'how many at most', wholeNumber(1), 200)
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((options: { resolved?: true; limit: number; json?: true }, command: Command) =>
      withApi(command, async (api) => {
        const found = await openDiscrepancies(api, options)
        const terminal = terminalOf(command)
        terminal.out(options.json ? JSON.stringify(found, null, 2) : drawDiscrepancies(found, terminal))
      }),
    )
  reconcile
    .command('release')
    .summary('let go charges of orders that are not here any more')
    .description(
      'Let go the charges that the provider has and whose orders do not exist here, as after a restore to an older moment: of what "comanda reconcile" has raised as ' +
        'missing_here. Authorised ones are voided. A charge of an order that is here is never touched.',
    )
    .option('-r, --reason <text>', 'why, for the record', '')
    .option('--refund-captured', 'give back captured money, too: the goods of these orders have probably left')
    .option('--dry-run', 'only look; change nothing')
    .addOption(urlOption())
    .addOption(jsonOption())
    .addHelpText('after', RELEASE_HELP)
    .action((options: Release, command: Command) =>
      withApi(command, async (api) => {
        if (!options.dryRun && options.reason === '')
          command.error('error: say why with --reason, or look first with --dry-run', { exitCode: 2 })
        const found = await releaseAll(api, options)
        const terminal = terminalOf(command)
        terminal.out(options.json ? JSON.stringify(found, null, 2) : drawReleases(found, terminal))
        if (found.left.length > 0) throw quietExit(1)
      }),
    )
}

/** Page by page: each page is done at the provider before the next is asked for. */
async function releaseAll(api: Api, { reason, refundCaptured, dryRun }: Release): Promise<ReleasesJson> {
  const all: ReleasesJson = { dry_run: dryRun ?? false, released: [], left: [], next: null }
  const body = { ...(reason !== '' && { reason }), refund_captured: refundCaptured ?? false, dry_run: dryRun ?? false }
  for (let after = '0'; ; ) {
    const page = await api.post<ReleasesJson>('/discrepancies/release', { ...body, after })
    all.released.push(...page.released)
    all.left.push(...page.left)
    if (page.next === null) return all
    after = page.next
  }
}

async function start(api: Api, { since, all, dryRun }: Options): Promise<ReconciliationJson> {
  const from = all ? {} : { since: new Date(Date.now() - since).toISOString() }
  return api.post<ReconciliationJson>('/reconciliations', { ...from, dry_run: dryRun ?? false })
}

/** It goes on by itself whatever happens to us. */
async function untilEnded(api: Api, started: ReconciliationJson): Promise<ReconciliationJson> {
  for (let run = started; ; ) {
    if (run.ended_at !== null) {
      if (run.status === 'failed') throw new Failure(`the reconciliation failed: ${run.error}`)
      return run
    }
    await delay(LOOK_EVERY_MS)
    run = await api.get<ReconciliationJson>(`/reconciliations/${started.id}`)
  }
}

const openDiscrepancies = (api: Api, { resolved, limit = 1_000 }: { resolved?: true; limit?: number } = {}) =>
  readPages<DiscrepancyJson>(api, {
    path: '/discrepancies',
    rows: 'discrepancies',
    cursor: 'after',
    limit,
    filters: { all: resolved ? 'true' : undefined },
  })
