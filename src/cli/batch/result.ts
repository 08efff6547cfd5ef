import type { HttpAnswer } from '../api.ts'
import { type OrderJson, problemOf } from '../wire.ts'

/**
 * Confirmed orders may be further on already (dispatched). Ended: an order of an earlier run that was cancelled or returned since.
 * Pending: taken in, not decided yet. Failed: as far as is known nothing was stored.
 */
export type Outcome = 'confirmed' | 'rejected' | 'ended' | 'pending' | 'failed' | 'bad_line'

/** One line of `--out`, and what the table counts. */
export type Result = {
  line: number
  key: string | null
  http_status: number | null
  outcome: Outcome
  order_id: string | null
  total_minor: number | null
  currency: string | null
  code: string | null
  detail: string | null
  ms: number | null
}

export type Answered = Pick<Result, 'http_status' | 'outcome' | 'order_id' | 'total_minor' | 'currency' | 'code' | 'detail'> & {
  order?: OrderJson
}

/** What an answer to POST /orders or GET /orders/{id} means. */
export function resultOf(answer: HttpAnswer): Answered {
  const order = answer.body as OrderJson
  if (answer.status >= 200 && answer.status < 300 && typeof order?.id === 'string') return resultOfOrder(order, answer.status)
  const problem = problemOf(answer)
  // A refusal of the business leaves a rejected order behind; every other 4xx left nothing.
  const isRejection = answer.status === 402 || answer.status === 409 || (answer.status < 500 && problem.order_id !== undefined)
  const outcome = isRejection ? 'rejected' : 'failed'
  return {
    http_status: answer.status,
    outcome,
    order_id: problem.order_id ?? null,
    total_minor: null,
    currency: null,
    code: problem.code,
    detail: problem.detail,
  }
}

function resultOfOrder(order: OrderJson, status: number): Answered {
  const common = { http_status: status, order_id: order.id, total_minor: order.total_minor, currency: order.currency, order }
  switch (order.status) {
    case 'pending':
      return { ...common, outcome: 'pending', code: null, detail: order.waiting?.reason ?? null }
    case 'rejected':
      return { ...common, outcome: 'rejected', code: order.rejection?.code ?? 'rejected', detail: order.rejection?.message ?? null }
    case 'cancelled':
    case 'returned':
      return { ...common, outcome: 'ended', code: order.status, detail: `the order is ${order.status}` }
    default:
      return { ...common, outcome: 'confirmed', code: null, detail: null }
  }
}

/** When an order was made, from its UUIDv7 (RFC 9562: the first 48 bits are Unix ms); undefined for any other id. */
export function madeAtMs(orderId: string): number | undefined {
  const match = /^([0-9a-f]{8})-([0-9a-f]{4})-7/i.exec(orderId)
  return match ? Number.parseInt(`${match[1]}${match[2]}`, 16) : undefined
}
