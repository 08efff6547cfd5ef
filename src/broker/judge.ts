import type { Log } from '../platform/log.ts'
import type { Delivery, QueueName, Verdict } from './broker.ts'
import { within } from './deadline.ts'
import { errorText } from './message.ts'

/** Asks the handler, and makes of whatever it does one verdict per delivery: the same rules for every broker. */

export type Handle = (deliveries: readonly Delivery[]) => Promise<readonly Verdict[]>

type Asked = { queue: QueueName; handle: Handle; deliveries: readonly Delivery[]; maxAttempts: number; timeoutMs: number; log: Log }

export const HANDLER_TIMEOUT_MS = 300_000
const LONGEST_BACK_OFF_MS = 60_000

/** One verdict for each delivery, in order; never rejects. A delivery that has used up its attempts is never retried. */
export async function judge({ queue, handle, deliveries, maxAttempts, timeoutMs, log }: Asked): Promise<Verdict[]> {
  let answered: readonly (Verdict | undefined)[] = []
  let failure = 'the handler gave no verdict'
  try {
    answered = await within(timeoutMs, handle(deliveries), 'the handler')
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error)
    log.warn({ queue, deliveries: deliveries.length, error: failure }, 'a handler failed: its messages are delivered again')
  }
  return deliveries.map(({ id, attempt }, i) => {
    const verdict = answered[i] ?? { do: 'retry', afterMs: backOffMs(attempt), error: failure }
    if (verdict.do === 'ack') return verdict
    const error = errorText(verdict.error)
    if (verdict.do === 'retry' && attempt < maxAttempts) return { do: 'retry', afterMs: Math.max(0, verdict.afterMs), error }
    log.warn({ queue, id, attempt, error }, 'a message is laid with the dead')
    return { do: 'dead', error }
  })
}

/** After failures that the handler did not foresee: 0.5 to 1 s, doubling up to a minute. */
function backOffMs(attempt: number): number {
  return Math.min(LONGEST_BACK_OFF_MS, 1_000 * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2)
}
