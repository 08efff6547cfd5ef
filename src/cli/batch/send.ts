import { Unreachable } from '../patience.ts'
import type { OrderBody } from '../wire.ts'
import type { BadEntry, Entry, GoodEntry } from './entry.ts'
import { type Answered, type Outcome, type Result, resultOf } from './result.ts'
import type { Place } from './stream.ts'

export type Sender = {
  place: Place
  concurrency: number
  keyOf(order: OrderBody, reference: string): string
  onResult(result: Result, answered: Answered | undefined): void | Promise<void>
  /** How far into the input the work has come. */
  onBytes(end: number): void
}

export type Ending = { why: 'end' } | { why: 'stopped' } | { why: 'gateway lost'; line: number }

/**
 * Sends orders as they are read, `concurrency` at a time. `stop.isAsked` ends the reading; what is in flight is finished. When no
 * answer comes to many orders one after the other, each of them tried for seconds, the gateway is gone and reading more is useless.
 */
export async function sendAll(entries: AsyncGenerator<Entry>, sender: Sender, stop: { isAsked: boolean }): Promise<Ending> {
  const mostSilent = Math.max(20, sender.concurrency)
  let silent = 0
  let ending: Ending = { why: 'end' }

  async function worker(): Promise<void> {
    while (ending.why === 'end' && !stop.isAsked) {
      const next = await entries.next().catch((error: unknown) => {
        // Stopping closes the input under the reader's feet.
        if (stop.isAsked) return { done: true as const, value: undefined }
        throw error
      })
      if (next.done) return
      const entry = next.value
      const { result, answered } = entry.kind === 'bad' ? badResult(entry) : await placeOne(entry, sender)
      if (entry.kind === 'order') silent = result.http_status === null ? silent + 1 : 0
      if (silent >= mostSilent && ending.why === 'end') ending = { why: 'gateway lost', line: entry.line }
      await sender.onResult(result, answered)
      sender.onBytes(entry.end)
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: sender.concurrency }, worker))
  const failed = ends.find((end) => end.status === 'rejected')
  if (failed) throw failed.reason
  return stop.isAsked ? { why: 'stopped' } : ending
}

async function placeOne(entry: GoodEntry, { place, keyOf }: Sender): Promise<{ result: Result; answered: Answered | undefined }> {
  const key = keyOf(entry.order, entry.reference)
  const started = performance.now()
  try {
    const { order, ...answered } = resultOf(await place(entry.order, key))
    const result: Result = { line: entry.line, key, ...inOrder(answered), ms: Math.round((performance.now() - started) * 100) / 100 }
    return { result, answered: { ...answered, ...(order && { order }) } }
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    return { result: { line: entry.line, key, ...unanswered('failed', 'network', error.message) }, answered: undefined }
  }
}

/** The fields of every line of `--out` stand in the same order. */
function inOrder({
  http_status,
  outcome,
  order_id,
  total_minor,
  currency,
  code,
  detail,
}: Omit<Answered, 'order'>): Omit<Answered, 'order'> {
  return { http_status, outcome, order_id, total_minor, currency, code, detail }
}

const unanswered = (outcome: Outcome, code: string, detail: string) => ({
  ...inOrder({ http_status: null, outcome, order_id: null, total_minor: null, currency: null, code, detail }),
  ms: null,
})

function badResult(entry: BadEntry): { result: Result; answered: undefined } {
  return {
    result: { line: entry.line, key: null, ...unanswered('bad_line', 'bad_line', entry.problem) },
    answered: undefined,
  }
}
