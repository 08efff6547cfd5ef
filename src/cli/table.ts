import Table from 'cli-table3'
import type { Terminal } from './terminal.ts'

export type Cell = string | number

/** A table of rows under heads; numbers stand to the right. */
export function table(terminal: Terminal, { heads, rows }: { heads: string[]; rows: Cell[][] }): string {
  const isNumber = heads.map(
    (_, i) =>
      rows.length > 0 && rows.every((row) => typeof row[i] === 'number' || row[i] === '' || /^[\d,.]+( \S+)?$/.test(String(row[i]))),
  )
  const drawn = new Table({
    head: heads.map((head) => terminal.colors.bold(head)),
    colAligns: isNumber.map((right) => (right ? 'right' : 'left')),
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: terminal.colors.isColorSupported ? ['gray'] : [] },
  })
  drawn.push(...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? count(cell) : cell))))
  return drawn.toString()
}

export const count = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 0 })

/** Minor units as people write them: 123450 EUR → 1,234.50 EUR. An unknown currency is shown with two decimals. */
export function money(minor: number, currency: string): string {
  const digits = /^[A-Z]{3}$/.test(currency)
    ? (new Intl.NumberFormat('en-US', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2)
    : 2
  const value = (minor / 10 ** digits).toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  return `${value} ${currency}`.trim()
}

/** 950 ms, 12.3 s, 4 min 05 s, 2 h 10 min. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${(ms / 1000).toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}
