import { setTimeout as delay } from 'node:timers/promises'
import type { HttpAnswer } from './api.ts'
import { Failure } from './failure.ts'

/** No answer came: refused, reset, timed out. Whether the server has done something is unknown. */
export class Unreachable extends Failure {
  override name = 'Unreachable'
}

export type Patience = {
  /**
   * Tries until there is an answer that is worth something: Unreachable, 429 and 503 are tried again for `patienceMs` with exponential
   * back-off and full jitter, never sooner than Retry-After says. Only for calls that do no harm when asked twice.
   */
  tryAgain(once: () => Promise<HttpAnswer>): Promise<HttpAnswer>
  /** From now on nothing is tried again. */
  stop(): void
}

export function patience(patienceMs: number): Patience {
  const stopped = new AbortController()
  return {
    async tryAgain(once) {
      const giveUpAt = performance.now() + patienceMs
      for (let attempt = 1; ; attempt++) {
        const answer = await once().catch((error: unknown) => {
          if (error instanceof Unreachable) return error
          throw error
        })
        const isWorthRepeating = answer instanceof Unreachable || answer.status === 429 || answer.status === 503
        const asked = answer instanceof Unreachable ? 0 : retryAfterMs(answer.headers['retry-after'], Date.now())
        const waitMs = asked + backOffMs(attempt, Math.random())
        if (!isWorthRepeating || performance.now() + waitMs > giveUpAt || stopped.signal.aborted) {
          if (answer instanceof Unreachable) throw answer
          return answer
        }
        await delay(waitMs, undefined, { signal: stopped.signal }).catch(() => undefined)
      }
    },
    stop: () => stopped.abort(),
  }
}

/** Before try number `attempt + 1`, in ms: full jitter below 400 ms, doubled each time, 3 s at most (AWS Architecture Blog, 2015). */
export function backOffMs(attempt: number, random: number): number {
  return Math.floor(random * Math.min(3_000, 200 * 2 ** attempt))
}

/** Retry-After in ms (seconds or a date), at most 30 s; 0 when absent or odd. */
export function retryAfterMs(header: string | undefined, nowMs: number): number {
  if (!header) return 0
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs
  return Number.isNaN(ms) ? 0 : Math.min(30_000, Math.max(0, ms))
}
