import { createHistogram } from 'node:perf_hooks'
import type { Result } from './result.ts'

export type Percentiles = { p50: number; p95: number; p99: number }
export type Summary = {
  confirmed: number
  rejected: Map<string, number>
  /** By how: cancelled, returned. */
  ended: Map<string, number>
  pending: number
  failed: Map<string, number>
  earlier: number
  latencyMs: Percentiles | null
  /** Bad lines and failures, the first few, as sentences. */
  examples: string[]
}

const MOST_EXAMPLES = 10

/** Counts results; its memory does not grow with their number. */
export class Tally {
  readonly #outcomes = { confirmed: 0, pending: 0 }
  readonly #rejected = new Map<string, number>()
  readonly #ended = new Map<string, number>()
  readonly #failed = new Map<string, number>()
  readonly #latencyUs = createHistogram({ lowest: 1, highest: 3_600_000_000, figures: 3 })
  readonly #examples: string[] = []
  #earlier = 0
  /** Lines that have come to an end or are pending. */
  seen = 0

  add(result: Result, { isEarlier = false } = {}): void {
    this.seen++
    if (result.ms !== null) this.#latencyUs.record(Math.max(1, Math.round(result.ms * 1000)))
    if (isEarlier) this.#earlier++
    this.#count(result)
  }

  /** A pending order has come to its end. */
  settle(result: Result): void {
    if (result.outcome === 'pending') return
    this.#outcomes.pending--
    this.#count(result)
  }

  /** Orders that got an HTTP answer. */
  get answered(): number {
    return this.#latencyUs.count
  }

  get failures(): number {
    return [...this.#failed.values()].reduce((sum, count) => sum + count, 0)
  }

  #count(result: Result): void {
    if (result.outcome === 'confirmed' || result.outcome === 'pending') {
      this.#outcomes[result.outcome]++
      return
    }
    const counts = { rejected: this.#rejected, ended: this.#ended, failed: this.#failed, bad_line: this.#failed }[result.outcome]
    const code = result.outcome === 'bad_line' ? 'bad line' : (result.code ?? 'unknown')
    counts.set(code, (counts.get(code) ?? 0) + 1)
    if (counts === this.#failed && this.#examples.length < MOST_EXAMPLES)
      this.#examples.push(`line ${result.line}: ${result.detail ?? code}`)
  }

  summary(): Summary {
    const at = (percent: number) => this.#latencyUs.percentile(percent) / 1000
    const latencyMs = this.#latencyUs.count > 0 ? { p50: at(50), p95: at(95), p99: at(99) } : null
    const examples =
      this.failures > this.#examples.length
        ? [...this.#examples, `… and ${this.failures - this.#examples.length} more`]
        : [...this.#examples]
    return {
      ...this.#outcomes,
      rejected: this.#rejected,
      ended: this.#ended,
      failed: this.#failed,
      earlier: this.#earlier,
      latencyMs,
      examples,
    }
  }
}
