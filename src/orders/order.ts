import { unforeseen } from '../platform/unforeseen.ts'

/** Rules of an order, without I/O: its life, its prices, and what each outcome changes. */

export type OrderStatus = 'pending' | 'confirmed' | 'dispatched' | 'delivered' | 'rejected' | 'cancelled' | 'returned'

/** The life of an order on one screen. A test checks that every status can be reached and that the ends are dead ends. */
export const nextStatuses: Record<OrderStatus, readonly OrderStatus[]> = {
  pending: ['confirmed', 'rejected', 'cancelled'],
  confirmed: ['dispatched', 'cancelled'],
  dispatched: ['delivered', 'returned'],
  delivered: ['returned'],
  rejected: [],
  cancelled: [],
  returned: [],
}

/**
 * What is still to be done for an order: run its placing, its cancelling, its undos, or capture and commit after dispatch. Work that is not among these is a newer
 * version's, and left to its processes.
 */
export const WORKS = ['place', 'cancel', 'undo', 'settle'] as const
export type Work = (typeof WORKS)[number]
/** Who an order can wait for, in the order of the saga's steps. */
export const STEPS = ['inventory', 'payment', 'shipping'] as const
export type StepService = (typeof STEPS)[number]

export type OrderItem = {
  product_id: string
  quantity: number
  discount_basis_points: number
  unit_price_minor: number
  amount_minor: number
}
export type OrderAddress = {
  name: string
  line1: string
  line2: string
  city: string
  region: string
  postal_code: string
  country: string
}
export type OrderShipment = {
  id: string
  status: string
  location_id: string
  carrier: string
  tracking_number: string
  items: { product_id: string; quantity: number }[]
  stock_committed: boolean
}

export type Order = {
  id: string
  user_id: string
  status: OrderStatus
  items: OrderItem[]
  currency: string
  freight_minor: number
  total_minor: number
  expected_total_minor: number | null
  payment_method: string
  payment_token: string
  shipping_method: string
  address: OrderAddress | null
  metadata: Record<string, string>
  request_id: string
  /** Where its trace stands; empty: not traced. */
  traceparent: string
  idempotency_key: string | null
  fingerprint: string
  payment: { status: string; amount_minor: number } | null
  shipments: OrderShipment[]
  rejected_by: StepService | 'orders' | null
  rejection_code: string | null
  rejection_message: string | null
  work: Work | null
  due_at: Date | null
  epoch: number
  attempts: number
  /** `orders`: our own work on it failed in a way nobody foresaw. */
  waiting_service: StepService | 'orders' | null
  waiting_reason: string | null
  waiting_since: Date | null
  /** On the dead-letter desk since, and why; `work` is what could not be ended. */
  dead_at: Date | null
  dead_reason: string | null
  /** Why it is cancelled, or to be cancelled. */
  cancel_reason: string | null
  version: number
  created_at: Date
  updated_at: Date
}

/** What a change does: the order as it will be, when its work is due, and the fact that is written with it. */
export type Change = {
  order: Order
  /** Milliseconds from now; null: nothing left to do; Infinity: never by itself. Below zero is not allowed. */
  dueInMs: number | null
  /** Null: nothing worth telling happened (a parked order is parked again). */
  event: { type: string; data: Record<string, unknown> } | null
  /** The service is away: the order goes to its fallback queue once the change is durable. */
  parkedFor?: StepService
}

export const notWaiting = {
  ...{ attempts: 0, waiting_service: null, waiting_reason: null, waiting_since: null },
  ...{ dead_at: null, dead_reason: null },
} as const

function to(order: Order, status: OrderStatus): OrderStatus {
  if (!nextStatuses[order.status].includes(status)) throw new Error(`order ${order.id} can't go from ${order.status} to ${status}`)
  return status
}

/**
 * One item's price: quantity × unit price less the discount, in minor units, rounded half up.
 * BigInt inside: quantity × price × 10,000 can pass 2^53.
 */
export function itemAmount({
  quantity,
  unitPriceMinor,
  discountBasisPoints,
}: {
  quantity: number
  unitPriceMinor: number
  discountBasisPoints: number
}): number {
  const tenThousandths = BigInt(quantity) * BigInt(unitPriceMinor) * BigInt(10_000 - discountBasisPoints)
  return Number((tenThousandths + 5_000n) / 10_000n)
}

/** The order with its prices, from what inventory answered. */
export function priced(order: Order, reserved: { currency: string; unitPrices: ReadonlyMap<string, number> }): Order {
  const items = order.items.map((item) => {
    const unit_price_minor = reserved.unitPrices.get(item.product_id)
    if (unit_price_minor === undefined) throw new Error(`inventory gave no price for ${item.product_id}`)
    const { quantity, discount_basis_points: discountBasisPoints } = item
    return { ...item, unit_price_minor, amount_minor: itemAmount({ quantity, unitPriceMinor: unit_price_minor, discountBasisPoints }) }
  })
  const total_minor = items.reduce((sum, item) => sum + item.amount_minor, order.freight_minor)
  if (!Number.isSafeInteger(total_minor)) throw new RangeError(`the total of order ${order.id} is beyond 2^53`)
  return { ...order, items, currency: reserved.currency, total_minor }
}

export function confirm(order: Order, shipments: OrderShipment[]): Change {
  const payment = { status: 'authorised', amount_minor: order.total_minor }
  return {
    order: { ...order, ...notWaiting, status: to(order, 'confirmed'), payment, shipments, work: null },
    dueInMs: null,
    event: { type: 'order.confirmed', data: { total_minor: order.total_minor, currency: order.currency } },
  }
}

/** The decision comes first, durable, and the undos after it: no process can undo what another may still confirm. */
export function reject(order: Order, { by, code, message }: { by: StepService | 'orders'; code: string; message: string }): Change {
  const undo = undosFor(by).length > 0
  const payment = by === 'payment' ? { status: 'declined', amount_minor: order.total_minor } : order.payment
  return {
    order: {
      ...order,
      ...notWaiting,
      status: to(order, 'rejected'),
      payment,
      rejected_by: by,
      rejection_code: code,
      rejection_message: message,
      work: undo ? 'undo' : null,
    },
    dueInMs: undo ? 0 : null,
    event: { type: 'order.rejected', data: { code, message } },
  }
}

/** Which services have something to undo, last step first, when `by` has refused; `cancelled` undoes all. */
export function undosFor(by: StepService | 'orders' | null): StepService[] {
  switch (by) {
    case 'inventory':
      return []
    case 'orders': // total_mismatch: found right after the stock was reserved
    case 'payment':
      return ['inventory']
    case 'shipping':
      return ['payment', 'inventory']
    case null: // cancelled; its shipments were called off before
      return ['payment', 'inventory']
    default:
      return unforeseen(by)
  }
}

export function requestCancel(order: Order, reason: string): Change {
  return {
    order: { ...order, ...notWaiting, work: 'cancel', cancel_reason: reason || null },
    dueInMs: 0,
    event: { type: 'order.cancel_requested', data: { reason } },
  }
}

/** Shipping has called everything off, so nothing can leave any more. */
export function cancel(order: Order): Change {
  const shipments = order.shipments.map((shipment) => ({ ...shipment, status: 'cancelled' }))
  return {
    order: { ...order, ...notWaiting, status: to(order, 'cancelled'), shipments, work: 'undo' },
    dueInMs: 0,
    event: { type: 'order.cancelled', data: order.cancel_reason ? { reason: order.cancel_reason } : {} },
  }
}

/** A shipment had left already: the order goes on as if nobody had asked. */
export function refuseCancel(order: Order, message: string): Change {
  const work = order.status === 'pending' ? 'place' : null
  return {
    order: { ...order, ...notWaiting, work, cancel_reason: null },
    dueInMs: work && 0,
    event: { type: 'order.cancel_refused', data: { message } },
  }
}

export function undone(order: Order): Change {
  // Cancelled before it was priced: there was never anything to pay, so there is nothing to show.
  const paid = undosFor(order.rejected_by).includes('payment') && order.total_minor > 0
  const payment = paid ? { status: 'voided', amount_minor: order.total_minor } : order.payment
  return { order: { ...order, ...notWaiting, payment, work: null }, dueInMs: null, event: { type: 'order.undone', data: {} } }
}

/** Shipping says that a shipment was dispatched or delivered. Null: nothing new. */
export function recordShipment(order: Order, fact: { shipmentId: string; status: 'dispatched' | 'delivered' }): Change | null {
  const rank = { created: 0, dispatched: 1, delivered: 2 } as Record<string, number>
  const known = order.shipments.find((shipment) => shipment.id === fact.shipmentId)
  if (!known) throw new Error(`order ${order.id} has no shipment ${fact.shipmentId}`)
  if ((rank[known.status] ?? 0) >= (rank[fact.status] ?? 0)) return null
  const shipments = order.shipments.map((shipment) => (shipment === known ? { ...shipment, status: fact.status } : shipment))
  const all = shipments.every((shipment) => shipment.status === 'delivered')
  let status = order.status
  if (status === 'confirmed') status = to({ ...order, status }, 'dispatched')
  if (status === 'dispatched' && all) status = to({ ...order, status }, 'delivered')
  return {
    order: { ...order, ...notWaiting, shipments, status, work: 'settle' },
    dueInMs: 0,
    event: { type: `shipment.${fact.status}`, data: { shipment_id: fact.shipmentId, order_status: status } },
  }
}

/** Cash is collected at the door; all other money is captured when the first parcel leaves. */
export function captureIsDue(order: Order): boolean {
  if (order.payment?.status === 'captured') return false
  return order.payment_method !== 'cash_on_delivery' || order.status === 'delivered'
}

export function settled(order: Order): Change {
  const shipments = order.shipments.map((shipment) => ({
    ...shipment,
    stock_committed: shipment.stock_committed || shipment.status !== 'created',
  }))
  const payment = captureIsDue(order) ? { status: 'captured', amount_minor: order.total_minor } : order.payment
  return {
    order: { ...order, ...notWaiting, shipments, payment, work: null },
    dueInMs: null,
    event: { type: 'order.settled', data: { payment } },
  }
}

/** What a log may say of an event. Why somebody called an order off are the customer's words: they stand in the database only, where they can be erased. */
export function tellable({ type, data }: { type: string; data: Record<string, unknown> }): Record<string, unknown> {
  if (type !== 'order.cancel_requested' && type !== 'order.cancelled') return data
  const { reason: _, ...rest } = data
  return rest
}
