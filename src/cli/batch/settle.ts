import { setTimeout as delay } from 'node:timers/promises'
import type { Api } from '../api.ts'
import { Unreachable } from '../patience.ts'
import { type Answered, type Result, resultOf } from './result.ts'

const AT_ONCE = 16
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000

export type Settling = {
  api: Api
  seconds: number
  stop: { isAsked: boolean }
  onResult(result: Result, answered: Answered): void | Promise<void>
  onRound(left: number): void
}

/** Asks for pending orders until each has come to its end or `seconds` are over; returns those still pending. */
export async function settle(pending: Result[], { api, seconds, stop, onResult, onRound }: Settling): Promise<Result[]> {
  const until = performance.now() + seconds * 1000
  let left = pending
  for (let pauseMs = FIRST_PAUSE_MS; left.length > 0 && !stop.isAsked; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 1.5)) {
    onRound(left.length)
    const round = left
    const still: Result[] = []
    let next = 0
    const worker = async () => {
      while (next < round.length && performance.now() < until && !stop.isAsked) {
        const result = round[next++] as Result
        const answered = await ask(api, result)
        if (answered && answered.outcome !== 'pending') await onResult({ ...result, ...withoutOrder(answered) }, answered)
        else still.push(result)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    left = [...still, ...round.slice(next)]
    const remainingMs = until - performance.now()
    if (left.length === 0 || remainingMs <= 0) return left
    await delay(Math.min(pauseMs, remainingMs))
  }
  return left
}

/** Undefined: not known now, ask again. */
async function ask(api: Api, result: Result): Promise<Answered | undefined> {
  try {
    const answer = await api.send({ method: 'GET', path: `/orders/${result.order_id}`, isRepeatable: false })
    return answer.status === 200 ? resultOf(answer) : undefined
  } catch (error) {
    if (error instanceof Unreachable) return undefined
    throw error
  }
}

function withoutOrder({ order: _, ...rest }: Answered): Omit<Answered, 'order'> {
  return rest
}
