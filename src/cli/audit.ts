import { existsSync } from 'node:fs'
import Table from 'cli-table3'
import type { Command } from 'commander'
import { type AuditReport, audit, type CheckResult } from '../audit/audit.ts'
import { PROMISES } from '../audit/check.ts'
import type { InFlight } from '../audit/rest.ts'
import { AuditError } from '../audit/sessions.ts'
import { findUrls } from '../audit/urls.ts'
import { ConfigError, readConfig } from '../platform/config.ts'
import { writeLastAudit } from '../platform/last-audit.ts'
import { Failure, quietExit } from './failure.ts'
import { jsonOption, wholeNumber } from './options.ts'
import { count, duration, money } from './table.ts'
import { type Terminal, terminalOf } from './terminal.ts'

type Options = { wait: number; now?: true; json?: true }
type AuditWish = { wait: number; now?: boolean }

export function auditCommand(program: Command): void {
  program
    .command('audit')
    .summary('check the promises on the live databases')
    .description(
      'Check, on the live databases of all services, that no order is lost, no stock sold twice, no money taken twice or kept without goods. ' +
        'Reads only. Waits first until no order is under way.',
    )
    .option('--wait <seconds>', 'how long to wait for orders under way', wholeNumber(0), 30)
    .option('--now', 'do not wait: only the checks that hold at every instant')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExit code 0: all holds. 1: a check is broken. 2: it could not be found out.\nWhat is checked, and how: docs/AUDIT.md',
    )
    .action(async (options: Options, command: Command) => {
      const terminal = terminalOf(command)
      const report = await runAudit(options, terminal)
      terminal.out(options.json ? JSON.stringify(report, null, 2) : drawReport(report, terminal))
      if (!report.ok) throw quietExit(1)
    })
}

/** Audits the databases of this machine's settings. @throws {Failure} with exit code 2 when it could not be found out. */
export async function runAudit({ wait, now = false }: AuditWish, terminal: Terminal): Promise<AuditReport> {
  let said = ''
  const onWaiting = (inFlight: InFlight) => {
    const line = `waiting for ${inWords(inFlight)}`
    if (line !== said) terminal.err(line)
    said = line
  }
  try {
    const config = readConfig(process.env)
    const report = await audit(await findUrls(config), { now, waitMs: wait * 1_000, onWaiting })
    noteResult(report, config.dataDir)
    return report
  } catch (error) {
    if (error instanceof AuditError || error instanceof ConfigError) throw new Failure(error.message, 2)
    throw error
  }
}

/** For the metrics. An audit from elsewhere, or by somebody without the right to write there, has none to note. */
function noteResult({ ok, results }: AuditReport, dataDir: string): void {
  if (!existsSync(dataDir)) return
  const violations = Object.fromEntries(Object.keys(PROMISES).map((promise) => [promise, 0]))
  for (const result of results) violations[result.promise] = (violations[result.promise] ?? 0) + result.violations
  try {
    writeLastAudit(dataDir, { ok, endedAt: new Date().toISOString(), violations })
  } catch {
    // the report itself is what counts
  }
}

function inWords({ orders, untoldFacts, carrierCancels }: InFlight): string {
  const parts = [
    orders > 0 && `${count(orders)} order${orders === 1 ? '' : 's'} under way`,
    untoldFacts > 0 && `${count(untoldFacts)} shipment fact${untoldFacts === 1 ? '' : 's'} that orders was not told`,
    carrierCancels > 0 && `${count(carrierCancels)} cancellation${carrierCancels === 1 ? '' : 's'} that the carrier was not told`,
  ]
  return parts.filter(Boolean).join(', ') || 'nothing'
}

const TITLE_WIDTH = 74

export function drawReport({ results, inFlight, summary, ms, ok }: AuditReport, { colors }: Terminal): string {
  const drawn = new Table({
    head: ['check', 'promise', 'what must hold', 'looked at', 'broken', ''].map((head) => colors.bold(head)),
    colAligns: ['left', 'left', 'left', 'right', 'right', 'left'],
    colWidths: [null, null, TITLE_WIDTH, null, null, null],
    wordWrap: true,
    style: { head: [], border: colors.isColorSupported ? ['gray'] : [] },
  })
  for (const { id, promise, title, examined, about, violations } of results) {
    const mark = violations === 0 ? colors.green('✓') : colors.red('✗')
    drawn.push([id, promise, title, `${count(examined)} ${about}`, violations === 0 ? '0' : colors.red(count(violations)), mark])
  }
  const broken = results.filter((result) => result.violations > 0)
  const verdict = ok
    ? colors.green(`✓ all ${results.length} checks hold`)
    : colors.red(`✗ ${broken.length} of ${results.length} checks ${broken.length === 1 ? 'is' : 'are'} broken`)
  const under = inWords(inFlight)
  return [
    drawn.toString(),
    ...broken.map((result) => drawBroken(result, colors)),
    ...(under === 'nothing' ? [] : [colors.yellow(`Still ${under}`)]),
    drawSummary(summary),
    `${verdict} (${duration(ms)})`,
  ].join('\n')
}

function drawBroken({ id, promise, title, violations, examples }: CheckResult, colors: Terminal['colors']): string {
  const more = violations > examples.length ? [`  … and ${count(violations - examples.length)} more`] : []
  return [
    colors.red(`✗ ${id} ${title}`),
    `  ${promise}: ${PROMISES[promise]}`,
    ...examples.map((row) => `  ${JSON.stringify(row)}`),
    ...more,
  ].join('\n')
}

function drawSummary({ orders, units, money: amounts }: AuditReport['summary']): string {
  const byStatus = Object.entries(orders).map(([status, number]) => `${count(number)} ${status}`)
  const inMoney = amounts.map(
    (one) => `${money(one.authorised_minor, one.currency)} authorised, ${money(one.captured_minor, one.currency)} captured`,
  )
  return [
    `Orders: ${byStatus.join(', ') || 'none'}.`,
    `Units: ${count(units.held)} held of ${count(units.on_hand)} on hand.`,
    `Money: ${inMoney.join('; ') || 'none'}.`,
  ].join(' ')
}
