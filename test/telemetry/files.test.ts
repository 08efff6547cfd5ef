import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { buildProgram } from '../../src/cli/main.ts'
import { METRICS } from '../../src/platform/metrics.ts'
import { askedBy } from './exposition.ts'

type Rule = { alert: string; expr: string; for?: string; labels: { severity: string }; annotations: { summary: string } }
type Grid = { x: number; y: number; w: number; h: number }
type Override = { matcher: { id: string; options: string }; properties: { id: string; value: string }[] }
type Panel = {
  id: number
  title: string
  type: string
  gridPos: Grid
  datasource?: { type: string; uid: string }
  fieldConfig?: { defaults: { unit?: string }; overrides: Override[] }
  targets?: { refId: string; expr: string; legendFormat: string }[]
}
type Dashboard = { panels: Panel[]; templating: { list: { name: string; type: string; query: string }[] } }

const rules = (parse(readFileSync('deploy/telemetry/alerts.yml', 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
)
const { panels, templating } = JSON.parse(readFileSync('deploy/telemetry/dashboard.json', 'utf8')) as Dashboard
const targets = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr, legendFormat }) => ({ title, expr, legendFormat })))
const operating = readFileSync('docs/OPERATING.md', 'utf8')

const ours: Record<string, { kind: string; labels: readonly string[] }> = METRICS
/** The variable that the reader chooses, as Grafana writes it. */
const DATASOURCE = `$\{datasource}`
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

  it.each(panels.map((panel) => [`${panel.title} (${panel.type})`, panel] as const))(
    'panel %s is whole, in the grid and on no other',
    (_title, panel) => {
      const { x, y, w, h } = panel.gridPos
      expect([x >= 0, y >= 0, w > 0, h > 0, x + w <= 24]).toEqual([true, true, true, true, true])
      const across = (other: Grid) => x < other.x + other.w && other.x < x + w && y < other.y + other.h && other.y < y + h
      expect(panels.filter((other) => other !== panel && across(other.gridPos)).map(({ title }) => title)).toEqual([])
      expect(panels.filter(({ id }) => id === panel.id)).toHaveLength(1)
      expect(panel.title.length).toBeGreaterThan(1)
      if (panel.type === 'row') return
      // Grafana's own units; another text would be shown behind the number as it stands.
      expect(['short', 's', 'reqps', 'ops', 'percentunit', 'bytes']).toContain(panel.fieldConfig?.defaults.unit)
      expect(panel.datasource).toEqual({ type: 'prometheus', uid: DATASOURCE })
      const letters = panel.targets?.map(({ refId }) => refId) ?? []
      expect([letters.length > 0, new Set(letters).size]).toEqual([true, letters.length])
    },
  )

  it.each(targets)('panel "$title" shows seconds, bytes, shares and rates as such: $expr', ({ title, expr }) => {
    const panel = panels.find((one) => one.title === title && one.targets?.some((target) => target.expr === expr))
    const letter = panel?.targets?.find((target) => target.expr === expr)?.refId
    const own = panel?.fieldConfig?.overrides.find(({ matcher }) => matcher.id === 'byFrameRefID' && matcher.options === letter)
    const unit = own?.properties.find(({ id }) => id === 'unit')?.value ?? panel?.fieldConfig?.defaults.unit
    expect(unitsOf(expr)).toContain(unit)
  })

  it('the dashboard lets its reader choose the Prometheus that its panels ask', () => {
    expect(templating.list).toEqual([expect.objectContaining({ name: 'datasource', type: 'datasource', query: 'prometheus' })])
  })

  it('names of alerts are each there once', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    for (const { for: wait } of rules) if (wait) expect(wait).toMatch(/^\d+[smhd]$/)
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

/** How the numbers of an expression may be shown, going by its metrics: base units are in their names. */
function unitsOf(expr: string): string[] {
  if (/histogram_quantile|_lag_p99_seconds|_age_seconds|_overdue_seconds/.test(expr)) return ['s']
  if (expr.includes('_bytes')) return ['bytes']
  if (expr.includes('_cpu_seconds_total')) return ['percentunit']
  // A mean of sizes is a size.
  if (expr.includes('_size_sum')) return ['short']
  if (/\)\s*\/\s*sum/.test(expr)) return ['percentunit']
  return expr.includes('rate(') ? ['reqps', 'ops'] : ['short']
}

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
