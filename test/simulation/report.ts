import type { SeedAnswer } from './seed-worker.ts'

/** What many seeds came to. */

/** A run in which everything fails proves nothing: where little goes wrong, so many orders must be confirmed. */
const CONFIRMED_AT_LEAST = 0.6
const TRACE_TAIL = 60
const VIOLATIONS_SHOWN = 5

export class Tally {
  readonly #began = performance.now()
  readonly #orders: number
  #seeds = 0
  #events = 0
  #virtualMs = 0
  #commits = 0
  #accepted = 0
  readonly #failed: string[] = []
  readonly #faults = new Map<string, number>()
  readonly #outcomes = new Map<string, number>()
  readonly #light = { accepted: 0, confirmed: 0 }
  #longestHealing = 0

  constructor(orders: number) {
    this.#orders = orders
  }

  add(answer: SeedAnswer): void {
    this.#seeds++
    this.#events += answer.events
    this.#virtualMs += answer.virtualMs
    this.#commits += answer.commits
    this.#accepted += answer.accepted
    this.#longestHealing = Math.max(this.#longestHealing, answer.healedMs)
    if (answer.violations.length > 0) this.#failed.push(answer.seed)
    for (const [kind, n] of answer.faults) this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + n)
    for (const [outcome, n] of answer.outcomes) {
      this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + n)
      if (answer.isLight && ['confirmed', 'dispatched', 'delivered'].includes(outcome)) this.#light.confirmed += n
    }
    if (answer.isLight) this.#light.accepted += answer.accepted
  }

  isGood(): boolean {
    return this.#failed.length === 0 && this.#seeds > 0 && this.#confirmedShare() >= CONFIRMED_AT_LEAST
  }

  progress(total: number): string {
    const of = Number.isFinite(total) ? ` of ${total}` : ''
    return `${this.#seeds}${of} seeds, ${this.#accepted} orders, ${this.#failed.length} failed, ${seconds(performance.now() - this.#began)}`
  }

  single(answer: SeedAnswer): string {
    return `seed ${answer.seed}: ${answer.accepted} orders, ${answer.events} events, ${seconds(answer.virtualMs)} of virtual time, hash ${answer.hash}`
  }

  failure({ seed, violations, trace, hash }: SeedAnswer): string {
    const lines = violations.slice(0, VIOLATIONS_SHOWN).map(({ invariant, orderId, details }) => {
      return `  ${invariant}${orderId ? ` (order ${orderId})` : ''}\n    ${details}`
    })
    if (violations.length > VIOLATIONS_SHOWN) lines.push(`  … and ${violations.length - VIOLATIONS_SHOWN} more`)
    const orderId = violations.find((violation) => violation.orderId)?.orderId
    const about = orderId ? trace.filter((line) => line.includes(orderId)) : trace
    return [
      `seed ${seed} FAILED (hash ${hash}); again: npm run simulate -- --seed ${seed} --orders ${this.#orders} --trace trace.txt`,
      ...lines,
      `  the last of what happened${orderId ? ` to order ${orderId}` : ''}:`,
      ...about.slice(-TRACE_TAIL).map((line) => `    ${line.slice(0, 260)}`),
    ].join('\n')
  }

  summary(): string {
    const list = (counts: Map<string, number>) =>
      [...counts]
        .sort(([, a], [, b]) => b - a)
        .map(([name, n]) => `${name} ${n}`)
        .join(', ') || 'none'
    const share = this.#light.accepted > 0 ? ` (where little goes wrong ${Math.round(this.#confirmedShare() * 100)} % are confirmed)` : ''
    return [
      `${this.#seeds} seeds, ${this.#accepted} accepted orders, ${hours(this.#virtualMs)} of virtual time, ${this.#events} events, ${this.#commits} commits in ${seconds(performance.now() - this.#began)}`,
      `  faults:   ${list(this.#faults)}`,
      `  outcomes: ${list(this.#outcomes)}${share}`,
      `  longest way from the last fault to rest: ${seconds(this.#longestHealing)} of virtual time`,
      this.#failed.length > 0 ? `  FAILED: ${this.#failed.join(' ')}` : '  every invariant held in every seed',
      ...(this.#confirmedShare() < CONFIRMED_AT_LEAST ? ['  FAILED: too few orders were confirmed where little goes wrong'] : []),
    ].join('\n')
  }

  #confirmedShare(): number {
    return this.#light.accepted > 0 ? this.#light.confirmed / this.#light.accepted : 1
  }
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
const hours = (ms: number) => `${(ms / 3_600_000).toFixed(1)} h`
