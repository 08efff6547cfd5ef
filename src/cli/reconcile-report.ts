import { type Cell, count, table } from './table.ts'
import type { Terminal } from './terminal.ts'
import type { DiscrepancyJson, ReconciliationJson, ReleasesJson } from './wire.ts'

/** A reconciliation for people. */

const WORDS: Record<string, string> = {
  repaired: 'repaired',
  raised: 'must be looked at',
  would_repair: 'can be repaired',
  would_raise: 'must be looked at',
}

export function drawReconciliation(run: ReconciliationJson, open: readonly DiscrepancyJson[], terminal: Terminal): string {
  const { colors } = terminal
  const rows = run.findings.map((found): Cell[] => [
    found.order_id ?? found.key,
    found.kind,
    found.message,
    colored(found.outcome, terminal),
  ])
  const listed = rows.length > 0 ? [table(terminal, { heads: ['order', 'what', 'in words', ''], rows })] : []
  const all = run.repaired + run.raised + run.would_repair + run.would_raise
  const more = all > run.findings.length ? [`… and ${count(all - run.findings.length)} more`] : []
  const later = [
    run.not_settled > 0 && `${count(run.not_settled)} under way or too young to be judged`,
    run.not_told > 0 && `${count(run.not_told)} of which the provider could not tell`,
  ].filter((part) => part !== false)
  const looked = `Compared ${count(run.charges)} charges and ${count(run.payments)} payments${run.dry_run ? ' (dry run: nothing was changed)' : ''}.`
  const known = open.filter((one) => !run.findings.some((found) => found.key === one.key && found.kind === one.kind))
  const before = known.length > 0 ? [colors.yellow(`Open since before: ${count(known.length)} (comanda reconcile list)`)] : []
  return [
    ...listed,
    ...more,
    looked,
    ...(later.length > 0 ? [`Left out: ${later.join(', ')}.`] : []),
    ...before,
    verdict(run, open, terminal),
  ].join('\n')
}

export function drawDiscrepancies(found: readonly DiscrepancyJson[], terminal: Terminal): string {
  if (found.length === 0) return terminal.colors.green('✓ nothing to look at')
  const rows = found.map((one): Cell[] => [
    one.order_id ?? one.key,
    one.kind,
    one.message,
    one.first_seen,
    one.resolved_at === null ? 'open' : `gone since ${one.resolved_at}`,
  ])
  return table(terminal, { heads: ['order', 'what', 'in words', 'first seen', ''], rows })
}

export function drawReleases({ dry_run, released, left }: ReleasesJson, terminal: Terminal): string {
  const { colors } = terminal
  const word = (status: string) => `${dry_run ? 'would be ' : ''}${status === 'captured' ? 'refunded' : 'voided'}`
  const gone = released.map((one): Cell[] => [one.order_id, one.ref, `${one.amount_minor} ${one.currency}`, colors.green(word(one.status))])
  const rows = [...gone, ...left.map((one): Cell[] => [one.order_id ?? one.key, one.code, one.detail, colors.red('left')])]
  const listed = rows.length > 0 ? [table(terminal, { heads: ['order', '', '', ''], rows })] : []
  const verb = dry_run ? 'would be let go (dry run: nothing was changed)' : 'let go'
  const end = left.length > 0 ? colors.red(`✗ ${count(left.length)} left, to be looked at`) : colors.green('✓ nothing is left')
  return [...listed, `${count(released.length)} charges ${verb}.`, end].join('\n')
}

const colored = (outcome: string, { colors }: Terminal) => {
  const word = WORDS[outcome] ?? outcome
  return outcome === 'repaired' ? colors.green(word) : outcome === 'would_repair' ? colors.yellow(word) : colors.red(word)
}

function verdict(run: ReconciliationJson, open: readonly DiscrepancyJson[], { colors }: Terminal): string {
  const left = Math.max(open.length, run.raised + run.would_raise)
  const parts = [
    run.repaired > 0 && `${count(run.repaired)} repaired`,
    run.would_repair > 0 && `${count(run.would_repair)} can be repaired`,
    left > 0 && `${count(left)} to be looked at`,
  ].filter((part) => part !== false)
  if (left > 0 || run.would_repair > 0) return colors.red(`✗ ${parts.join(', ')}`)
  return colors.green(`✓ the books agree${parts.length > 0 ? ` (${parts.join(', ')})` : ''}`)
}
