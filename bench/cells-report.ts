/** What the cells on paper tell, as the table and the chart of docs/SCALING.md. */

/** Measured: docs/PERFORMANCE.md, "Comanda, random products", 256 connections, on two cores. */
export const CELL_PER_SECOND = 899

type Tally = { all: number; first: number; lost: number; waitsMs: number[] }
/** `touched`: the share of the other sellers that live in the crowd's cell. */
export type Outcome = { cells: number; others: Tally; crowd: Tally; touched: number }

const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`
const inSeconds = (ms: number) => `${(ms / 1_000).toFixed(2)} s`

function quantile(values: readonly number[], part: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0
}

export function tableOf(outcomes: readonly Outcome[]): string {
  const lines = outcomes.map(({ cells, others, crowd, touched }) =>
    [
      cells,
      `${percent(touched, 1)}`,
      percent(others.all - others.first, others.all),
      percent(others.lost, others.all),
      inSeconds(quantile(others.waitsMs, 0.5)),
      inSeconds(quantile(others.waitsMs, 0.99)),
      percent(crowd.lost, crowd.all),
    ].join(' | '),
  )
  return [
    "| cells | sellers in the crowd's cell | others refused at first | others lost | others wait, p50 | p99 | crowd lost |",
    '|---|---|---|---|---|---|---|',
    ...lines.map((line) => `| ${line} |`),
  ].join('\n')
}

const [WIDTH, BAR, GAP, NAMES, TOP] = [760, 20, 8, 120, 48]

/** Of the other sellers' orders, how many were refused at first, by the number of cells. */
export function chartOf(outcomes: readonly Outcome[]): string {
  const title = 'Orders of other sellers that are refused at first while a crowd is at one'
  const shares = outcomes.map(({ others }) => (others.all - others.first) / others.all)
  const most = Math.max(...shares)
  const bars = outcomes.map(({ cells }, i) => {
    const [y, share] = [TOP + i * (BAR + GAP), shares[i] ?? 0]
    const length = (share / most) * (WIDTH - NAMES - 90)
    return `<text x="${NAMES - 8}" y="${y + 14}" text-anchor="end">${cells} ${cells === 1 ? 'cell' : 'cells'}</text>
<rect x="${NAMES}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" fill="#2f6f4f"/>
<text x="${(NAMES + length + 8).toFixed(1)}" y="${y + 14}">${percent(share, 1)}</text>`
  })
  const height = TOP + outcomes.length * (BAR + GAP) + 8
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${title}">
<title>${title}</title>
<rect width="100%" height="100%" fill="#fff"/>
<g font-family="system-ui, sans-serif" font-size="12" fill="#222">
<text x="12" y="18" font-size="15" font-weight="600">${title}</text>
<text x="12" y="35" fill="#666">Simulated on paper: queues of ${CELL_PER_SECOND} orders a second each (measured on two cores)</text>
${bars.join('\n')}
</g>
</svg>
`
}
