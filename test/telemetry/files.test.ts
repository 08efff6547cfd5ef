import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { buildProgram } from '../../src/cli/main.ts'
import { METRICS } from '../../src/platform/metrics.ts'
import { askedBy } from './exposition.ts'

type Rule = { alert: string; expr: string; for?: string; labels: { severity: string }; annotations: { summary: string } }
type Panel = { title: string; type: string; targets?: { expr: string; legendFormat: string }[] }

const rules = (parse(readFileSync('deploy/telemetry/alerts.yml', 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
)
const { panels } = JSON.parse(readFileSync('deploy/telemetry/dashboard.json', 'utf8')) as { panels: Panel[] }
const targets = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr, legendFormat }) => ({ title, expr, legendFormat })))
const operating = readFileSync('docs/OPERATING.md', 'utf8')

const ours: Record<string, { kind: string; labels: readonly string[] }> = METRICS
/** Of prom-client and of Prometheus itself. */
const THEIRS: Record<string, string[]> = {
  up: [],
  nodejs_eventloop_lag_p99_seconds: [],
  process_cpu_seconds_total: [],
  process_resident_memory_bytes: [],
}
const EVERYWHERE = ['service', 'instance', 'job']

/** What is wrong with an expression, going by the catalogue. */
function problemsOf(expression: string): string[] {
  const { metrics, groupedBy } = askedBy(expression)
  const known = new Set(EVERYWHERE)
  const problems = metrics.flatMap(({ metric, labels }) => {
    const part = /_(bucket|sum|count)$/.exec(metric)?.[1]
    const family = ours[metric] ?? (part && ours[metric.slice(0, -part.length - 1)])
    if (!family && !THEIRS[metric]) return [`there is no metric ${metric}`]
    if (family && (family.kind === 'histogram') !== (part !== undefined)) return [`${metric} is no series of a ${family.kind}`]
    const has = [...(family ? family.labels : []), ...(part === 'bucket' ? ['le'] : []), ...EVERYWHERE]
    for (const label of has) known.add(label)
    return labels.filter((label) => !has.includes(label)).map((label) => `${metric} has no label ${label}`)
  })
  return [...problems, ...groupedBy.filter((label) => !known.has(label)).map((label) => `no metric here has a label ${label}`)]
}

describe('the files for Prometheus and Grafana', () => {
  it.each(rules)('$alert asks for what there is', ({ expr }) => expect(problemsOf(expr)).toEqual([]))

  it.each(rules)('$alert tells how urgent it is, and only of labels that its answer has', ({ expr, labels, annotations }) => {
    expect(['page', 'ticket']).toContain(labels.severity)
    const used = [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label)
    const { metrics, groupedBy } = askedBy(expr)
    const aggregates = /\b(sum|min|max)\b/.test(expr)
    const has = aggregates ? groupedBy : [...metrics.flatMap(({ metric }) => ours[metric]?.labels ?? []), ...EVERYWHERE]
    expect(used.filter((label) => !has.includes(label ?? ''))).toEqual([])
  })

  it.each(targets)('panel "$title" asks for what there is: $expr', ({ expr, legendFormat }) => {
    expect(problemsOf(expr)).toEqual([])
    const used = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label)
    expect(used.filter((label) => !askedBy(expr).groupedBy.includes(label ?? ''))).toEqual([])
  })

  it('find what is wrong: a metric, a label, a series, a grouping that there is not, and what is no PromQL', () => {
    expect(problemsOf('sum(comanda_nonsense)')).toEqual(['there is no metric comanda_nonsense'])
    expect(problemsOf('comanda_orders{state="pending"}')).toEqual(['comanda_orders has no label state'])
    expect(problemsOf('rate(comanda_batch_size[5m])')).toEqual(['comanda_batch_size is no series of a histogram'])
    expect(problemsOf('sum by (route) (comanda_orders)')).toEqual(['no metric here has a label route'])
    expect(() => askedBy('sum by (route (comanda_orders)')).toThrow('no PromQL')
  })
})

describe('docs/OPERATING.md', () => {
  it('has a section for each alert, in their order or not, and for no other', () => {
    const sections = [...operating.matchAll(/^### (\w+)$/gm)].map(([, name]) => name)
    expect(sections.sort()).toEqual(rules.map(({ alert }) => alert).sort())
  })

  it('names only commands and options that there are', () => {
    const commands = [...operating.matchAll(/comanda (?=[a-z])([^`\n]+)/g)].map(([, words = '']) => words.split(/ {2,}/)[0] ?? '')
    expect(commands.length).toBeGreaterThan(20)
    expect(commands.flatMap(problemsOfCommand)).toEqual([])
  })

  it('asks Prometheus for what there is', () => {
    const expressions = operating.split('\n').filter((line) => /^ {4}(sum|max|histogram_quantile)/.test(line))
    expect(expressions.length).toBeGreaterThan(1)
    expect(expressions.flatMap(problemsOf)).toEqual([])
  })
})

function problemsOfCommand(line: string): string[] {
  const words = line.replace(/"[^"]*"/g, 'text').split(' ')
  let command: Command = buildProgram()
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word)
    if (!next) break
    command = next
  }
  if (command.parent === null) return [`there is no command ${words[0]}`]
  const known = [command, ...command.commands].flatMap((one) => one.options.map((option) => option.long))
  return words.filter((word) => word.startsWith('--') && !known.includes(word)).map((word) => `comanda ${line}: there is no ${word}`)
}
