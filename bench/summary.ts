import type { LoadResult } from './load.ts'

export type Measured = { name: string; results: LoadResult[] }
/** Medians over the rounds, with the least and the most. */
export type Row = {
  name: string
  perSecond: number
  least: number
  most: number
  p50: number
  /** Null where the tool does not tell it. */
  p99: number | null
  answers: string
  errors: number
}

/** The mean of the middle two when their number is even. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, high] = [sorted[(sorted.length - 1) >> 1] ?? 0, sorted[sorted.length >> 1] ?? 0]
  return Math.round((low + high) / 2)
}

export function summary(measured: readonly Measured[]): Row[] {
  return measured.map(({ name, results }) => {
    const rates = results.map((result) => result.perSecond)
    const answers: Record<string, number> = {}
    for (const { byStatus } of results) {
      for (const [status, count] of Object.entries(byStatus)) answers[status] = (answers[status] ?? 0) + count
    }
    const p99 = median(results.map((result) => result.p99))
    return {
      name,
      perSecond: median(rates),
      least: Math.min(...rates),
      most: Math.max(...rates),
      p50: median(results.map((result) => result.p50)),
      p99: Number.isNaN(p99) ? null : p99,
      answers: Object.entries(answers)
        .map(([status, count]) => `${status}: ${count}`)
        .join(' '),
      errors: results.reduce((sum, result) => sum + result.errors, 0),
    }
  })
}

/** Of the rates of `base`: the median, and where the middle half of the rounds lies. Round by round, so that what the machine does meanwhile strikes both. */
export function ratio(results: readonly LoadResult[], base: readonly LoadResult[]): { median: number; low: number; high: number } {
  const each = results.map(({ perSecond }, i) => perSecond / (base[i]?.perSecond || Number.NaN)).sort((a, b) => a - b)
  const at = (share: number) => {
    const place = (each.length - 1) * share
    const [low = Number.NaN, high = Number.NaN] = [each[Math.floor(place)], each[Math.ceil(place)]]
    return low + (high - low) * (place % 1)
  }
  return { median: at(0.5), low: at(0.25), high: at(0.75) }
}

export const percent = (part: number): string => `${(part * 100).toFixed(1)} %`
