import { parser } from '@prometheus-io/lezer-promql'

/** What Prometheus reads and asks, as far as the tests need to understand it. */

export type Sample = { name: string; labels: Record<string, string>; value: number }

/** The samples of a scrape. @throws on a line that is none. */
export function samplesOf(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    if (line === '' || line.startsWith('#')) return []
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (!match) throw new Error(`no sample: ${line}`)
    const [, name = '', inner = '', value = ''] = match
    const labels = Object.fromEntries([...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', text = '']) => [label, text]))
    return [{ name, labels, value: Number(value) }]
  })
}

/** The metric that a sample is of: a histogram has three kinds of them. */
export const familyOf = (name: string) => name.replace(/_(bucket|sum|count)$/, '')

export type Asked = { metric: string; labels: string[] }

/** The metrics that an expression asks for with the labels that it selects by, and all labels that it groups by. @throws when it is no PromQL. */
export function askedBy(expression: string): { metrics: Asked[]; groupedBy: string[] } {
  const metrics: Asked[] = []
  const groupedBy: string[] = []
  const text = (node: { from: number; to: number }) => expression.slice(node.from, node.to)
  parser.parse(expression).iterate({
    enter(node) {
      if (node.type.isError) throw new Error(`no PromQL at ${node.from}: ${expression}`)
      if (node.name === 'VectorSelector') {
        const inner = text(node)
        const labels = [...inner.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label)
        metrics.push({ metric: /^\w+/.exec(inner)?.[0] ?? '', labels })
      }
      if (node.name === 'GroupingLabels')
        groupedBy.push(
          ...text(node)
            .replace(/[()\s]/g, '')
            .split(',')
            .filter(Boolean),
        )
    },
  })
  return { metrics, groupedBy }
}
