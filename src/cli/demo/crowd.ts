import type { Api } from '../api.ts'
import { Unreachable } from '../patience.ts'
import { type OrderJson, problemOf } from '../wire.ts'

/** Customers who order at a steady rate, whatever the answers are, and remember every one of them. */
export type Crowd = {
  answers: Answer[]
  /** Orders sent and not answered yet. */
  open(): number
  /** Sends no more; resolves when all are answered. */
  stop(): Promise<void>
}
export type Answer = { kind: 'confirmed' | 'parked' | 'failed'; orderId: string | undefined; why: string; phase: string; ms: number }

export type CrowdOptions = {
  /** Whose orders these are; also the start of their idempotency keys. */
  userId: string
  productId: string
  perSecond: number
  /** What goes on while an order is sent. */
  phase(): string
}

const LOOK_EVERY_MS = 20

export function startCrowd(api: Api, { userId, productId, perSecond, phase }: CrowdOptions): Crowd {
  const answers: Answer[] = []
  const sending = new Set<Promise<void>>()
  const started = performance.now()
  let sent = 0

  const place = async (number: number): Promise<void> => {
    const began = { phase: phase(), at: performance.now() }
    const body = { user_id: userId, items: [{ product_id: productId, quantity: 1 }], payment_method: 'credit_card' }
    const headers = { 'idempotency-key': `${userId}-${number}` }
    const said = await api.send({ method: 'POST', path: '/orders', body, headers, isRepeatable: true }).catch((error: unknown) => {
      if (error instanceof Unreachable) return error
      throw error
    })
    answers.push({ ...understood(said), phase: began.phase, ms: performance.now() - began.at })
  }
  const timer = setInterval(() => {
    // By the clock and not by the turn: a busy machine makes late turns, not fewer orders.
    for (const due = Math.floor(((performance.now() - started) / 1_000) * perSecond); sent < due; sent++) {
      const one = place(sent).finally(() => sending.delete(one))
      sending.add(one)
    }
  }, LOOK_EVERY_MS)

  return {
    answers,
    open: () => sending.size,
    async stop() {
      clearInterval(timer)
      await Promise.all(sending)
    },
  }
}

function understood(said: Awaited<ReturnType<Api['send']>> | Unreachable): Pick<Answer, 'kind' | 'orderId' | 'why'> {
  if (said instanceof Unreachable) return { kind: 'failed', orderId: undefined, why: said.message }
  const { id, status } = (said.body ?? {}) as Partial<OrderJson>
  if (said.status === 201 && status === 'confirmed') return { kind: 'confirmed', orderId: id, why: '' }
  if (said.status === 202) return { kind: 'parked', orderId: id, why: '' }
  const { code, detail, order_id: orderId } = problemOf(said)
  return { kind: 'failed', orderId: orderId ?? id, why: `${said.status} ${code}: ${detail}` }
}

/** The value below which `share` of the values are (nearest rank); 0 of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
}
