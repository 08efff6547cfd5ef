import type { Reach } from '../chaos/shop-door.ts'
import type { Balancer } from '../journeys/balancer.ts'

/** The customers' way in, through the balancer: each request once, and what became of it. */

/** A request that has ended. `status` 0: nobody answered, and `why`. */
export type Passed = { what: string; status: number; mayComeAgain: boolean; why: string; from: number; until: number }

/** Long enough for any machine: here nobody gives up, so an answer that is missing was lost. */
const PATIENCE_MS = 60_000

export function openGate(balancer: Pick<Balancer, 'fetch'>): { passed: Passed[]; reach: Reach } {
  const passed: Passed[] = []
  return {
    passed,
    async reach(_, path, init) {
      const from = performance.now()
      const what = `${init.method ?? 'GET'} /${path.split('/')[1]}`
      const note = (status: number, mayComeAgain: boolean, why: string) =>
        void passed.push({ what, status, mayComeAgain, why, from, until: performance.now() })
      try {
        const answer = await balancer.fetch(path, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) })
        note(answer.status, answer.headers.has('retry-after'), answer.status < 500 ? '' : await answer.clone().text())
        return answer
      } catch (error) {
        const { message, cause } = error as Error
        note(0, false, cause instanceof Error ? `${message} (${cause.message})` : message)
        throw error
      }
    },
  }
}

/** Whether a customer got no good answer: nothing at all, or a refusal that does not say "again later" as docs/ERRORS.md has it. */
export const hasFailed = ({ status, mayComeAgain }: Passed): boolean => status === 0 || (status >= 500 && !(status === 503 && mayComeAgain))

export const isToldLater = (one: Passed): boolean => !hasFailed(one) && (one.status === 503 || one.status === 429)

export const inWords = ({ what, status, why }: Passed): string => `${what}: ${status || 'no answer'} ${why}`.trim()
