import { type TSchema, Type } from 'typebox'
import { OWNERS } from '../platform/config.ts'
import { FAULT_KINDS, LONGEST_FAULT_MS, LONGEST_LATENCY_MS } from '../platform/faults.ts'
import { NAME } from '../platform/ids.ts'

/** What goes in over REST. A schema's description ends the sentence "must be …" of its error message. */

const strict = { additionalProperties: false } as const
const text = (description: string, pattern: string, example?: string) =>
  Type.String({ description, pattern, ...(example && { examples: [example] }) })
const whole = (description: string, minimum: number, maximum: number) =>
  Type.Integer({ minimum, maximum, description: `${description ? `${description}, ` : ''}a whole number from ${minimum} to ${maximum}` })
const line = (most: number, least = 1) =>
  text(`${least === 0 ? 'at most' : `1 to`} ${most} characters without control characters`, `^[^\\u0000-\\u001f\\u007f]{${least},${most}}$`)

const nameOf = (what: string, example: string) =>
  text(`${what}: 1 to 64 letters, digits and . _ : -, beginning with a letter or digit`, NAME, example)
const currency = text('three capital letters (ISO 4217)', '^[A-Z]{3}$', 'EUR')
const MOST_MINOR = 1_000_000_000
export const METHODS = ['credit_card', 'debit_card', 'paypal', 'bank_transfer', 'cash_on_delivery']

const Item = Type.Object(
  {
    product_id: nameOf('a product id', 'a1'),
    quantity: whole('', 1, 10_000),
    discount_basis_points: Type.Optional(whole('hundredths of a percent', 0, 10_000)),
  },
  { ...strict, description: 'an object with product_id and quantity' },
)

const Address = Type.Object(
  {
    name: line(200),
    line1: line(200),
    line2: Type.Optional(line(200, 0)),
    city: line(100),
    region: Type.Optional(line(100, 0)),
    // Not everywhere is there one: Ireland had none until 2015.
    postal_code: Type.Optional(line(20, 0)),
    country: text('two capital letters (ISO 3166-1)', '^[A-Z]{2}$', 'ES'),
  },
  { ...strict, description: 'an object with name, line1, city and country' },
)

const orderFields = {
  user_id: nameOf('a user id', 'u123'),
  items: Type.Array(Item, { minItems: 1, maxItems: 100, description: 'a list of 1 to 100 items' }),
  payment_method: text(`one of ${METHODS.join(', ')}`, `^(${METHODS.join('|')})$`, 'credit_card'),
  // Digits alone may be a card number, which must never come in here.
  payment_token: Type.Optional(
    text(
      "a provider's token of 1 to 200 letters, digits, _ and -; never a card number",
      '^(?![0-9 -]{12,23}$)[A-Za-z0-9_-]{1,200}$',
      'tok_ok',
    ),
  ),
  currency: Type.Optional(currency),
  expected_total_minor: Type.Optional(whole('minor units', 0, Number.MAX_SAFE_INTEGER)),
  freight_minor: Type.Optional(whole('minor units', 0, MOST_MINOR)),
  shipping_method: Type.Optional(text('standard or express', '^(standard|express)$', 'standard')),
  address: Type.Optional(Address),
  metadata: Type.Optional(
    // No NUL: PostgreSQL can't store it, and would refuse the whole batch.
    Type.Record(
      Type.String({ pattern: '^[^\\u0000-\\u001f\\u007f]{1,64}$' }),
      text('at most 500 characters, NUL not among them', '^[^\\u0000]{0,500}$'),
      {
        maxProperties: 20,
        additionalProperties: false,
        description: 'an object of at most 20 texts, with keys of at most 64 characters',
      },
    ),
  ),
}
export const PlaceOrderBody = Type.Object(orderFields, { ...strict, description: 'a JSON object' })
/** One line of POST /orders/bulk. Its key is looked at like the header of the same name. */
export const BulkLine = Type.Object(
  {
    ...orderFields,
    idempotency_key: Type.Optional(text('1 to 255 visible ASCII characters without spaces', '^[\\u0021-\\u007e]{1,255}$')),
  },
  { ...strict, description: 'a JSON object' },
)

const prefer = Type.Optional(
  Type.String({
    description: '`wait=N`: wait up to N seconds (30 at most) for the end; `respond-async`: not at all',
    examples: ['wait=10'],
  }),
)
export const PreferHeader = Type.Object({ prefer })
export const PlaceHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({ description: '1 to 255 visible ASCII characters: the same key with the same body gets the same order' }),
  ),
  prefer,
})
export const OrderId = Type.Object({ id: Type.String({ description: 'the id of an order' }) })
export const AnyId = Type.Object({ id: Type.String() })
const limit = Type.Optional(text('a number from 1 to 200', '^([1-9][0-9]?|1[0-9]{2}|200)$', '50'))
const time = Type.Optional(
  text('a time such as 2026-01-31T12:00:00Z', '^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]{5,12}(Z|[+-][0-9]{2}:[0-9]{2}))?$'),
)
export const STATUSES = ['pending', 'confirmed', 'dispatched', 'delivered', 'rejected', 'cancelled', 'returned']
export const OrdersQuery = Type.Object(
  {
    user_id: Type.Optional(nameOf('a user id', 'u123')),
    status: Type.Optional(text(`one of ${STATUSES.join(', ')}`, `^(${STATUSES.join('|')})$`)),
    from: time,
    to: time,
    before: Type.Optional(text('the id of an order', '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')),
    limit,
  },
  strict,
)
const bodyOrNone = (properties: Record<string, TSchema>) => ({
  type: ['object', 'null'],
  properties,
  ...strict,
  description: 'an object, or no body at all',
})
export const CancelBody = Type.Unsafe<{ reason?: string } | null | undefined>(bodyOrNone({ reason: line(500, 0) }))
export const NoBody = Type.Unsafe<Record<string, never> | null | undefined>(bodyOrNone({}))

const work = text('place, cancel, undo or settle', '^(place|cancel|undo|settle)$')
const waitsFor = text('inventory, payment, shipping or orders', '^(inventory|payment|shipping|orders)$')
const deadReason = text('too_old, refused or unforeseen_error', '^(too_old|refused|unforeseen_error)$')
const deskFilter = { service: Type.Optional(waitsFor), work: Type.Optional(work), dead_reason: Type.Optional(deadReason) }
const orderId = text('the id of an order', '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
export const DeadLettersQuery = Type.Object({ ...deskFilter, after: Type.Optional(orderId), limit }, strict)
/** Who acts from the desk, and why. */
const hand = { actor: line(100), reason: line(500) }
export const DeskBody = Type.Object(hand, { ...strict, description: 'a JSON object with actor and reason' })
export const BulkDeskBody = Type.Object(
  {
    ...hand,
    filter: Type.Optional(Type.Object(deskFilter, { ...strict, description: 'an object with service, work or dead_reason' })),
    dry_run: Type.Optional(Type.Boolean({ description: 'true or false' })),
  },
  { ...strict, description: 'a JSON object with actor and reason' },
)
export const DeadMessagesQuery = Type.Object({ after: Type.Optional(line(300)), limit }, strict)
export const DeadMessagesBody = Type.Object(
  { ...hand, keys: Type.Array(line(300), { minItems: 1, maxItems: 1_000, description: 'a list of 1 to 1000 keys of messages' }) },
  { ...strict, description: 'a JSON object with keys, actor and reason' },
)

export const ProductsQuery = Type.Object(
  { after: Type.Optional(nameOf('a product id', 'a1')), available_at_most: Type.Optional(text('a whole number', '^[0-9]{1,9}$')), limit },
  strict,
)
const location = nameOf('a location id', 'madrid')
const units = whole('units', 0, MOST_MINOR)
export const ProductBody = Type.Object(
  {
    id: nameOf('a product id', 'a1'),
    name: line(200),
    unit_price_minor: whole('minor units', 0, MOST_MINOR),
    currency,
    weight_grams: Type.Optional(whole('grams', 0, 100_000_000)),
    status: Type.Optional(text('active or discontinued', '^(active|discontinued)$')),
    stock: Type.Optional(
      Type.Array(Type.Object({ location_id: location, on_hand: units }, strict), {
        maxItems: 20,
        description: 'a list of at most 20 locations with location_id and on_hand',
      }),
    ),
  },
  { ...strict, description: 'a JSON object' },
)
export const ReceiveBody = Type.Object(
  {
    location_id: location,
    quantity: whole('units', 1, MOST_MINOR),
    reason: Type.Optional(line(200, 0)),
    receipt_id: Type.Optional(nameOf('a receipt id', 'r-2026-001')),
  },
  { ...strict, description: 'a JSON object' },
)
export const AdjustBody = Type.Object(
  { location_id: location, on_hand: units, expected_on_hand: units, reason: line(200) },
  { ...strict, description: 'a JSON object' },
)

const service = text(`one of ${OWNERS.join(', ')}`, `^(${OWNERS.join('|')})$`, 'payment')
export const FaultsQuery = Type.Object({ service: Type.Optional(service) }, strict)
export const FaultBody = Type.Object(
  {
    service,
    kind: text(`one of ${FAULT_KINDS.join(', ')}`, `^(${FAULT_KINDS.join('|')})$`, 'unavailable'),
    method: Type.Optional(text('the name of an rpc, such as AuthorizePayments', '^[A-Za-z]{1,64}$', 'AuthorizePayments')),
    rate: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1, description: 'the share of calls, above 0 and at most 1' })),
    for_ms: Type.Optional(whole('ms', 1, LONGEST_FAULT_MS)),
    latency_ms: Type.Optional(whole('ms', 1, LONGEST_LATENCY_MS)),
    count: Type.Optional(whole('calls', 1, MOST_MINOR)),
  },
  { ...strict, description: 'an object with service and kind' },
)

export const ReconcileBody = Type.Unsafe<{ since?: string; dry_run?: boolean } | null | undefined>(
  bodyOrNone({ since: time, dry_run: Type.Boolean({ description: 'true or false' }) }),
)
export const DiscrepanciesQuery = Type.Object(
  { after: Type.Optional(text('the next of a page', '^[0-9]{1,15}$')), all: Type.Optional(text('true or false', '^(true|false)$')), limit },
  strict,
)

const ErasureFields = { user_id: nameOf('a user id', 'u123'), reason: line(200) }
const dryRun = Type.Boolean({ description: 'true or false' })
export const ReleaseBody = Type.Object(
  {
    reason: Type.Optional(line(200)),
    refund_captured: Type.Optional(Type.Boolean({ description: 'true or false' })),
    dry_run: Type.Optional(dryRun),
    after: Type.Optional(text('the next of a page', '^[0-9]{1,15}$')),
  },
  { ...strict, description: 'a JSON object with reason, or dry_run' },
)
/** A dry run needs no reason; services refuse the other without one. */
export const EraseBody = Type.Object(
  { ...ErasureFields, reason: Type.Optional(ErasureFields.reason), dry_run: Type.Optional(dryRun) },
  { ...strict, description: 'a JSON object with user_id and reason' },
)
export const ErasuresQuery = Type.Object({ before: Type.Optional(text('the next of a page', '^[0-9a-f-]{36}$')), limit }, strict)
