import { type TSchema, Type } from 'typebox'

/** What comes out over REST. Money in minor units, times ISO 8601. */

const str = Type.String()
const int = Type.Integer()
/** An object or null, in the form that the serialiser compiles to straight code. */
const orNull = (schema: { properties: Record<string, TSchema>; required?: readonly string[] }) =>
  Type.Unsafe<unknown>({ type: ['object', 'null'], properties: schema.properties, required: schema.required ?? [] })
const textOrNull = Type.Unsafe<string | null>({ type: ['string', 'null'] })

const ShipmentItems = Type.Array(Type.Object({ product_id: str, quantity: int }))
const AddressView = Type.Object({ name: str, line1: str, line2: str, city: str, region: str, postal_code: str, country: str })

export const OrderView = Type.Object({
  id: str,
  user_id: str,
  status: str,
  items: Type.Array(Type.Object({ product_id: str, quantity: int, discount_basis_points: int, unit_price_minor: int, amount_minor: int })),
  currency: str,
  freight_minor: int,
  total_minor: int,
  payment_method: str,
  shipping_method: str,
  address: orNull(AddressView),
  metadata: Type.Record(str, str),
  payment: orNull(Type.Object({ id: str, status: str, amount_minor: int })),
  shipments: Type.Array(Type.Object({ id: str, status: str, location_id: str, carrier: str, tracking_number: str, items: ShipmentItems })),
  rejection: orNull(Type.Object({ code: str, message: str })),
  cancel_reason: textOrNull,
  waiting: orNull(
    Type.Object({
      ...{ work: str, service: str, reason: str, since: textOrNull, next_try_at: textOrNull, attempts: int },
      ...{ dead_since: textOrNull, dead_reason: textOrNull },
    }),
  ),
  created_at: str,
  updated_at: str,
  version: int,
})
export const OrdersView = Type.Object({ orders: Type.Array(OrderView), next: textOrNull })
export const EventsView = Type.Object({
  events: Type.Array(
    Type.Object({ id: int, type: str, at: str, data: Type.Unsafe<unknown>({ type: 'object', additionalProperties: true }) }),
  ),
})

export const ExplanationView = Type.Object({
  ...{ order_id: str, status: str, summary: str, happened: Type.Array(Type.Object({ at: str, text: str })) },
  ...{ waits_for: textOrNull, next: str, next_at: textOrNull },
})

export const QueueView = Type.Object({
  parked: Type.Array(
    Type.Object({
      service: str,
      work: str,
      count: int,
      oldest_since: textOrNull,
      next_try_at: textOrNull,
      service_is_down: Type.Boolean(),
    }),
  ),
  dead_letters: int,
  broker: Type.Object({
    is_up: Type.Boolean(),
    queues: Type.Array(Type.Object({ name: str, ready: int, delayed: int, in_flight: int, dead: int })),
  }),
})
const DeadLetter = Type.Object({
  ...{ order_id: str, user_id: str, status: str, work: str, service: str, dead_since: str, dead_reason: str, last_error: str },
  ...{ attempts: int, waiting_since: textOrNull, total_minor: int, currency: str, created_at: str },
})
export const DeadLettersView = Type.Object({ dead_letters: Type.Array(DeadLetter), next: textOrNull })
export const ResolvedView = Type.Object({
  dry_run: Type.Boolean(),
  count: int,
  orders: Type.Array(str),
  refused: Type.Array(Type.Object({ order_id: str, code: str, detail: str })),
  more: Type.Boolean(),
})
const anything = Type.Unsafe<unknown>({})
export const DeadMessagesView = Type.Object({
  messages: Type.Array(Type.Object({ key: str, queue: str, body: anything, error: str, attempts: int, died_at: str })),
  next: textOrNull,
})

export const ProductView = Type.Object({
  id: str,
  name: str,
  unit_price_minor: int,
  currency: str,
  weight_grams: int,
  status: str,
  available: int,
  stock: Type.Array(Type.Object({ location_id: str, on_hand: int, reserved: int, available: int })),
  created_at: str,
})
export const ProductsView = Type.Object({ products: Type.Array(ProductView), next: textOrNull })

export const ShipmentView = Type.Object({
  id: str,
  order_id: str,
  status: str,
  location_id: str,
  carrier: str,
  tracking_number: str,
  shipping_method: str,
  address: orNull(AddressView),
  items: ShipmentItems,
  weight_grams: int,
  created_at: str,
  updated_at: str,
})
export const PaymentView = Type.Object({
  id: str,
  order_id: str,
  status: str,
  method: str,
  amount_minor: int,
  currency: str,
  captured_minor: int,
  refunded_minor: int,
  provider_ref: textOrNull,
  decline_code: textOrNull,
  created_at: str,
  updated_at: str,
})
const intOrNull = Type.Unsafe<number | null>({ type: ['integer', 'null'] })
export const FaultView = Type.Object({
  id: str,
  service: str,
  kind: str,
  method: textOrNull,
  rate: Type.Number(),
  latency_ms: intOrNull,
  count: intOrNull,
  struck: int,
  ends_in_ms: int,
})
const unreachable = Type.Array(str, { description: 'services that could not be asked' })
export const FaultsView = Type.Object({ faults: Type.Array(FaultView), unreachable })
export const ClearedView = Type.Object({ cleared: int, unreachable })

const Finding = Type.Object({ key: str, order_id: textOrNull, ref: textOrNull, kind: str, message: str, outcome: str })
export const ReconciliationView = Type.Object({
  ...{ id: str, status: str, dry_run: Type.Boolean(), since: textOrNull, requested_at: str, ended_at: textOrNull, error: textOrNull },
  ...{ charges: int, payments: int, repaired: int, raised: int, would_repair: int, would_raise: int, not_settled: int, not_told: int },
  findings: Type.Array(Finding),
})
export const DiscrepanciesView = Type.Object({
  discrepancies: Type.Array(
    Type.Object({
      ...{ id: int, key: str, order_id: textOrNull, ref: textOrNull, kind: str, message: str },
      ...{ first_seen: str, last_seen: str, resolved_at: textOrNull },
    }),
  ),
  next: textOrNull,
})
export const ReleasesView = Type.Object({
  dry_run: Type.Boolean(),
  released: Type.Array(Type.Object({ order_id: str, ref: str, status: str, amount_minor: int, currency: str })),
  left: Type.Array(Type.Object({ key: str, order_id: textOrNull, code: str, detail: str })),
  next: textOrNull,
})
export const ErasureView = Type.Object({
  ...{ id: textOrNull, user_id: textOrNull, pseudonym: textOrNull, reason: str, asked_by: textOrNull, asked_at: textOrNull },
  ...{ ended_at: textOrNull, dry_run: Type.Boolean(), erased: int, erasable: int, waiting: int, waiting_orders: Type.Array(str) },
})
export const ErasuresView = Type.Object({ erasures: Type.Array(ErasureView), next: textOrNull })
const ServiceState = Type.Object({ ready: Type.Boolean(), services: Type.Record(str, str) })
export const ReadyView = ServiceState

/** Shown in the OpenAPI document for every answer that is a problem; problems serialise themselves. */
export const ProblemView = Type.Object(
  {
    type: str,
    title: str,
    status: int,
    code: str,
    detail: str,
    errors: Type.Optional(Type.Array(Type.Object({ field: str, message: str }))),
    order_id: Type.Optional(str),
    request_id: str,
  },
  { description: 'problem+json (RFC 9457); the codes are in docs/ERRORS.md' },
)
/** An order, or why there is none (or a rejected one). */
export const BulkAnswer = Type.Object({
  line: int,
  status: int,
  order: Type.Optional(OrderView),
  problem: Type.Optional(ProblemView),
})
