/** What goes over REST, as far as the command line reads it (docs: /openapi.json). Money in minor units, times ISO 8601. */

export type ItemBody = { product_id: string; quantity: number; discount_basis_points?: number }
export type AddressBody = {
  name: string
  line1: string
  line2?: string
  city: string
  region?: string
  postal_code?: string
  country: string
}
export type OrderBody = {
  user_id: string
  items: ItemBody[]
  payment_method: string
  payment_token?: string
  currency?: string
  expected_total_minor?: number
  freight_minor?: number
  shipping_method?: string
  address?: AddressBody
  metadata?: Record<string, string>
}

export type OrderJson = {
  id: string
  user_id: string
  status: string
  items: { product_id: string; quantity: number; discount_basis_points: number; unit_price_minor: number; amount_minor: number }[]
  currency: string
  freight_minor: number
  total_minor: number
  payment_method: string
  payment: { id: string; status: string; amount_minor: number } | null
  shipments: {
    id: string
    status: string
    location_id: string
    carrier: string
    tracking_number: string
    items: { product_id: string; quantity: number }[]
  }[]
  rejection: { code: string; message: string } | null
  waiting: {
    work: string
    service: string | null
    reason: string | null
    since: string | null
    next_try_at: string | null
    attempts: number
    dead_since?: string | null
    dead_reason?: string | null
  } | null
  created_at: string
}

export type ExplanationJson = {
  summary: string
  happened: { at: string; text: string }[]
  waits_for: string | null
  next: string
  next_at: string | null
}
export type QueueJson = {
  parked: {
    service: string
    work: string
    count: number
    oldest_since: string | null
    next_try_at: string | null
    service_is_down: boolean
  }[]
  dead_letters: number
  broker: { is_up: boolean; queues: { name: string; ready: number; delayed: number; in_flight: number; dead: number }[] }
}
export type DeadLetterJson = {
  order_id: string
  status: string
  work: string
  service: string
  dead_since: string
  dead_reason: string
  last_error: string
  attempts: number
}
export type ResolvedJson = {
  dry_run: boolean
  count: number
  orders: string[]
  refused: { order_id: string; code: string; detail: string }[]
  more: boolean
}
export type DeadMessageJson = { key: string; queue: string; body: unknown; error: string; attempts: number; died_at: string }
export type EventJson = { id: string; type: string; at: string; data: Record<string, unknown> }
export type ProductJson = {
  id: string
  name: string
  unit_price_minor: number
  currency: string
  status: string
  available: number
  stock: { location_id: string; on_hand: number; reserved: number; available: number }[]
  created_at: string
}
export type FaultJson = {
  id: string
  service: string
  kind: string
  method: string | null
  rate: number
  latency_ms: number | null
  count: number | null
  struck: number
  ends_in_ms: number
}
export type ReconciliationJson = {
  id: string
  status: string
  dry_run: boolean
  since: string | null
  ended_at: string | null
  error: string | null
  charges: number
  payments: number
  repaired: number
  raised: number
  would_repair: number
  would_raise: number
  not_settled: number
  not_told: number
  findings: { key: string; order_id: string | null; ref: string | null; kind: string; message: string; outcome: string }[]
}
export type DiscrepancyJson = {
  id: number
  key: string
  order_id: string | null
  kind: string
  message: string
  first_seen: string
  last_seen: string
  resolved_at: string | null
}
export type ReleasesJson = {
  dry_run: boolean
  released: { order_id: string; ref: string; status: string; amount_minor: number; currency: string }[]
  left: { key: string; order_id: string | null; code: string; detail: string }[]
  next: string | null
}
export type ErasureJson = {
  id: string | null
  pseudonym: string | null
  reason: string
  asked_by: string | null
  asked_at: string | null
  ended_at: string | null
  dry_run: boolean
  erased: number
  erasable: number
  waiting: number
  waiting_orders: string[]
}
export type Problem = { code: string; detail: string; order_id?: string; errors?: { field: string; message: string }[] }

/** The problem of an answer that is not 2xx, also when something between us and the gateway made it (a proxy's HTML page). */
export function problemOf(answer: { status: number; body: unknown }): Problem {
  const body = (typeof answer.body === 'object' && answer.body !== null ? answer.body : {}) as Partial<Problem> & { title?: string }
  const errors = Array.isArray(body.errors) ? body.errors : []
  const said = body.detail ?? body.title ?? `the gateway answered ${answer.status}`
  const fields = errors.map((error) => `${error.field} ${error.message}`).join('; ')
  return {
    code: typeof body.code === 'string' ? body.code : `http_${answer.status}`,
    detail: fields || said,
    ...(typeof body.order_id === 'string' && { order_id: body.order_id }),
    errors,
  }
}
