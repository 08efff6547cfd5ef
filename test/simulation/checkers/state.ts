import type { Journal } from '../load/journal.ts'
import type { PlannedProduct } from '../load/plan.ts'
import type { DatabaseName, Engine } from '../ports/engine.ts'

/**
 * What stands in the databases, read with plain SQL. The checkers share no code with the system: they have their own idea of what every column
 * means, and of the arithmetic.
 */

type Item = { product_id: string; quantity: number }
export type OrderRow = {
  id: string
  status: string
  items: (Item & { discount_basis_points: number; unit_price_minor: number; amount_minor: number })[]
  currency: string
  freight_minor: number
  total_minor: number
  payment_method: string
  payment: { status: string; amount_minor: number } | null
  shipments: { id: string; status: string; location_id: string; items: Item[]; stock_committed: boolean }[]
  idempotency_key: string | null
  work: string | null
  waiting_service: string | null
  waiting_reason: string | null
  dead_reason: string | null
}
export type EventRow = { order_id: string; type: string; data: Record<string, unknown> }
export type StockRow = { product_id: string; location_id: string; on_hand: number; reserved: number }
export type MovementRow = {
  product_id: string
  location_id: string
  kind: string
  on_hand_delta: number
  reserved_delta: number
  order_id: string | null
}
export type ReservationRow = {
  order_id: string
  status: string
  items: (Item & { allocations: { location_id: string; quantity: number }[] })[]
  committed_locations: string[]
}
export type PaymentRow = { order_id: string; status: string; amount_minor: number; currency: string; provider_ref: string | null }
export type ChargeRow = {
  key: string
  ref: string
  order_ref: string
  status: string
  amount_minor: number
  refunded_minor: number
  currency: string
}
export type MoneyRow = { order_id: string; kind: string; amount_minor: number }
export type DecisionRow = { order_id: string; status: string }
export type ShipmentRow = { order_id: string; number: number; status: string; location_id: string; items: Item[] }

export type State = {
  journal: Journal
  products: readonly PlannedProduct[]
  orders: Map<string, OrderRow>
  events: Map<string, EventRow[]>
  stock: StockRow[]
  movements: MovementRow[]
  reservations: Map<string, ReservationRow>
  payments: Map<string, PaymentRow>
  charges: Map<string, ChargeRow[]>
  money: Map<string, MoneyRow[]>
  decisions: Map<string, DecisionRow>
  shipments: Map<string, ShipmentRow[]>
}

export type Engines = Record<DatabaseName, Engine>

export function readState(engines: Engines, { journal, products }: Pick<State, 'journal' | 'products'>): State {
  const { orders, inventory, payment, shipping } = engines
  const one = <Row extends { order_id: string }>(rows: Row[]) => new Map(rows.map((row) => [row.order_id, row]))
  const many = <Row extends { order_id: string }>(rows: Row[]) => Map.groupBy(rows, (row) => row.order_id)
  return {
    journal,
    products,
    orders: new Map(orders.query<OrderRow>('select * from orders order by id').map((row) => [row.id, row])),
    events: many(orders.query<EventRow>('select order_id, type, data from order_events order by id')),
    stock: inventory.query<StockRow>('select * from stock order by 1, 2'),
    movements: inventory.query<MovementRow>('select * from movements order by id'),
    reservations: one(inventory.query<ReservationRow>('select * from reservations order by order_id')),
    payments: one(payment.query<PaymentRow>('select * from payments order by order_id')),
    charges: Map.groupBy(payment.query<ChargeRow>('select * from simulated_provider.charges order by key'), (charge) => charge.order_ref),
    money: many(payment.query<MoneyRow>('select order_id, kind, amount_minor from money_movements order by id')),
    decisions: one(shipping.query<DecisionRow>('select order_id, status from order_shipments order by order_id')),
    shipments: many(shipping.query<ShipmentRow>('select * from shipments order by order_id, number')),
  }
}

/** What still has to be done, by where it lies; empty at rest. */
export function readBacklog({ orders, payment, shipping, broker }: Engines): Record<string, number> {
  const count = (engine: Engine, text: string) => engine.query<{ n: number }>(`select count(*) as n from ${text}`)[0]?.n ?? 0
  const backlog = {
    'orders with work': count(orders, 'orders where work is not null and dead_at is null'),
    'payments in between': count(payment, `payments where status in ('intent', 'unknown', 'capturing', 'voiding')`),
    'refunds in between': count(payment, `refunds where status = 'pending'`),
    'payment results untold': count(payment, 'outbox'),
    'shipment facts untold': count(shipping, 'facts where told_at is null'),
    'cancels that the carrier was not told': count(shipping, 'order_shipments where carrier_cancel_due'),
    'messages in the broker': hasTable(broker, 'messages') ? count(broker, 'messages') : 0,
  }
  return Object.fromEntries(Object.entries(backlog).filter(([, n]) => n > 0))
}

const hasTable = (engine: Engine, name: string) =>
  engine.query<{ found: string | null }>('select to_regclass($1)::text as found', [name])[0]?.found != null

export type Violation = { invariant: string; orderId?: string | undefined; details: string }
export type Check = (state: State) => Violation[]

/** One violation for each thing of which `wrong` says what is wrong with it. */
export function each<T>(
  invariant: string,
  list: Iterable<T>,
  wrong: (one: T) => string | false | undefined,
  orderId?: (one: T) => string,
): Violation[] {
  return [...list].flatMap((one) => {
    const details = wrong(one)
    return details ? [{ invariant, details, orderId: orderId?.(one) }] : []
  })
}
