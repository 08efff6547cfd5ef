import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Row } from './summary.ts'

/** Bar charts as SVG, with the range of the rounds as whiskers; readable on light and dark pages. */

const WIDTH = 760
const BAR = 20
const GAP = 8
const NAMES = 300
const TOP = 48

const COLOURS = { comanda: '#2f6f4f', other: '#b08c3e' }

export function drawCharts(rows: readonly Row[], machine: string, folder: string): void {
  const placing = rows.filter(({ name }) => !name.includes('GET'))
  writeFileSync(join(folder, 'confirmed-orders.svg'), chart('Confirmed orders per second', machine, placing))
}

function chart(title: string, subtitle: string, rows: readonly Row[]): string {
  const most = Math.max(...rows.map((row) => row.most))
  const scale = (value: number) => (value / most) * (WIDTH - NAMES - 70)
  const bars = rows.map((row, at) => {
    const y = TOP + at * (BAR + GAP)
    const middle = y + BAR / 2
    const colour = row.name.startsWith('Comanda') ? COLOURS.comanda : COLOURS.other
    return `<text x="${NAMES - 8}" y="${middle + 4}" text-anchor="end">${inXml(row.name)}</text>
<rect x="${NAMES}" y="${y}" width="${scale(row.perSecond).toFixed(1)}" height="${BAR}" fill="${colour}"/>
<path d="M${(NAMES + scale(row.least)).toFixed(1)} ${middle}H${(NAMES + scale(row.most)).toFixed(1)}" stroke="#888" stroke-width="2"/>
<text x="${(NAMES + scale(row.most) + 8).toFixed(1)}" y="${middle + 4}">${row.perSecond.toLocaleString('en')}</text>`
  })
  const height = TOP + rows.length * (BAR + GAP) + 8
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${inXml(title)}">
<title>${inXml(title)}</title>
<rect width="100%" height="100%" fill="#fff"/>
<g font-family="system-ui, sans-serif" font-size="12" fill="#222">
<text x="12" y="18" font-size="15" font-weight="600">${inXml(title)}</text>
<text x="12" y="35" fill="#666">${inXml(subtitle)}</text>
${bars.join('\n')}
</g>
</svg>
`
}

const inXml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
