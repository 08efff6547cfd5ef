import type { DatabaseName } from '../ports/engine.ts'
import type { Chance } from './chance.ts'
import type { Effects } from './effects.ts'
import type { SimulatedProcess } from './process.ts'

/** Rates of what goes wrong by itself. Zero: never. */
export type Rates = {
  /** Of calls between services. */
  callSlow: number
  requestLost: number
  replyLost: number
  requestDoubled: number
  /** Of statements: the connection breaks before or after it is done, the answer is late, or PostgreSQL finds a deadlock. */
  statementLost: number
  answerLost: number
  statementSlow: number
  conflict: number
  /** Of effects: the process that causes it dies just before or just after. */
  crash: number
}
export const CALM: Rates = {
  ...{ callSlow: 0, requestLost: 0, replyLost: 0, requestDoubled: 0 },
  ...{ statementLost: 0, answerLost: 0, statementSlow: 0, conflict: 0, crash: 0 },
}

export type CallFate = { request: 'arrives' | 'lost' | 'doubled'; reply: 'arrives' | 'lost'; slowMs: number }
export type StatementFate = 'done' | 'lost' | 'answer lost' | 'slow' | 'conflict'

/** Where a process is to die. `n` counts effects from 1. */
export type CrashPoint = { n: number; when: 'before' | 'after' }

/** What goes wrong, and how often it did. */
export class Faults {
  rates: Rates = CALM
  /** Links that carry nothing: `from>to`, process or service or database names. */
  readonly cuts = new Set<string>()
  readonly counts = new Map<string, number>()
  /** Set to number the effects of processes, which are to die at these points. */
  effects: Effects | undefined
  crashPoints: CrashPoint[] = []
  readonly #chance: Chance

  constructor(chance: Chance) {
    this.#chance = chance
  }

  count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
  }

  heal(): void {
    this.rates = CALM
    this.cuts.clear()
  }

  isCut(process: SimulatedProcess, to: string): boolean {
    return this.cuts.size > 0 && (this.cuts.has(`${process.name}>${to}`) || this.cuts.has(`*>${to}`))
  }

  /** Whatever a process does to the world goes through here; it may die just before, and then does not do it, or just after. */
  effect(process: SimulatedProcess, label: (() => string) | undefined, act: () => void): void {
    if (!process.isAlive) return
    let point: 'before' | 'after' | undefined
    if (label && process.isMortal) {
      const { effects } = this
      effects?.note(process.name, label())
      point = effects && this.crashPoints.find(({ n }) => n === effects.count)?.when
      if (point) effects?.beginAgain()
      if (this.#chance.hits(this.rates.crash)) point = this.#chance.hits(0.5) ? 'before' : 'after'
    }
    if (point) this.count(`crash ${point} an effect`)
    if (point !== 'before') act()
    if (point) process.crash()
  }

  forCall(chance: Chance): CallFate {
    const { rates } = this
    const [slow, lost, doubled, replyLost, ms] = [chance.next(), chance.next(), chance.next(), chance.next(), chance.between(50, 20_000)]
    const fate: CallFate = {
      request: lost < rates.requestLost ? 'lost' : doubled < rates.requestDoubled ? 'doubled' : 'arrives',
      reply: replyLost < rates.replyLost ? 'lost' : 'arrives',
      slowMs: slow < rates.callSlow ? ms : 0,
    }
    if (fate.request !== 'arrives') this.count(`request ${fate.request}`)
    if (fate.reply === 'lost') this.count('reply lost')
    if (fate.slowMs > 0) this.count('call slow')
    return fate
  }

  forStatement(_database: DatabaseName, chance: Chance): StatementFate {
    const { rates } = this
    const draw = chance.next()
    const kinds: [StatementFate, number][] = [
      ['lost', rates.statementLost],
      ['answer lost', rates.answerLost],
      ['slow', rates.statementSlow],
      ['conflict', rates.conflict],
    ]
    let from = 0
    for (const [fate, rate] of kinds) {
      if (draw >= from && draw < from + rate) {
        this.count(`statement ${fate}`)
        return fate
      }
      from += rate
    }
    return 'done'
  }
}
