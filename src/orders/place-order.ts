import type { Outcome } from '../platform/outcome.ts'
import { unforeseen } from '../platform/unforeseen.ts'
import {
  type Change,
  cancel,
  captureIsDue,
  confirm,
  type Order,
  type OrderShipment,
  priced,
  refuseCancel,
  reject,
  type StepService,
  settled,
  undone,
  undosFor,
} from './order.ts'
import { type Limits, park, type Waiting } from './parking.ts'

/** The saga, as if there were one order in the world. Each step is keyed by the order's id and safe to repeat. */

export type ReservedStock = {
  currency: string
  items: {
    productId: string
    quantity: number
    unitPriceMinor: number
    weightGrams: number
    allocations: { locationId: string; quantity: number }[]
  }[]
}
export type Parcel = { locationId: string; weightGrams: number; items: { productId: string; quantity: number }[] }

/** The other services, one order at a time; behind each stands a batched call. */
export type Services = {
  reserveStock(order: Order): Promise<Outcome<ReservedStock>>
  releaseStock(order: Order): Promise<Outcome<unknown>>
  commitStock(order: Order, locationIds: string[]): Promise<Outcome<unknown>>
  authorisePayment(order: Order): Promise<Outcome<unknown>>
  voidPayment(order: Order): Promise<Outcome<unknown>>
  capturePayment(order: Order): Promise<Outcome<unknown>>
  createShipments(order: Order, parcels: Parcel[]): Promise<Outcome<OrderShipment[]>>
  cancelShipments(order: Order): Promise<Outcome<unknown>>
}
/** Time and chance, as arguments; and how long to be patient. */
export type Surroundings = { now(): Date; random(): number; limits?: Limits }

/** Reserve the stock, authorise the payment, book the shipments, confirm. */
export async function placeOrder(order: Order, services: Services, around: Surroundings): Promise<Change> {
  const stock = await services.reserveStock(order)
  if (stock.kind !== 'done') return notDone(order, { service: 'inventory', outcome: stock, around })

  const withPrices = priced(order, {
    currency: stock.value.currency,
    unitPrices: new Map(stock.value.items.map((item) => [item.productId, item.unitPriceMinor])),
  })
  if (order.expected_total_minor !== null && order.expected_total_minor !== withPrices.total_minor) {
    const message = `the total is ${withPrices.total_minor}, not ${order.expected_total_minor} as expected`
    return reject(withPrices, { by: 'orders', code: 'total_mismatch', message })
  }

  const payment = await services.authorisePayment(withPrices)
  if (payment.kind !== 'done') return notDone(withPrices, { service: 'payment', outcome: payment, around })

  const shipments = await services.createShipments(withPrices, parcelsOf(stock.value))
  if (shipments.kind !== 'done') return notDone(withPrices, { service: 'shipping', outcome: shipments, around })

  return confirm(withPrices, shipments.value)
}

/** Shipping decides whether the goods can still be stopped; only then is the order cancelled, and only then undone. */
export async function cancelOrder(order: Order, services: Services, around: Surroundings): Promise<Change> {
  const stopped = await services.cancelShipments(order)
  switch (stopped.kind) {
    case 'done':
      return cancel(order)
    case 'refused':
      return refuseCancel(order, stopped.message)
    case 'unavailable':
    case 'unknown':
      return parkFor(order, { service: 'shipping', trouble: stopped.kind, reason: stopped.message }, around)
    default:
      return unforeseen(stopped)
  }
}

/** Undoes the steps of an order that ended without goods, last step first. */
export async function undoOrder(order: Order, services: Services, around: Surroundings): Promise<Change> {
  for (const service of undosFor(order.rejected_by)) {
    const outcome = await undoStep(service, order, services)
    // An undo that is refused is a broken promise of ours, not an answer: it stays visible and is tried again.
    if (outcome.kind !== 'done') return parkFor(order, { service, trouble: outcome.kind, reason: outcome.message }, around)
  }
  return undone(order)
}

function undoStep(service: StepService, order: Order, services: Services): Promise<Outcome<unknown>> {
  switch (service) {
    case 'inventory':
      return services.releaseStock(order)
    case 'payment':
      return services.voidPayment(order)
    case 'shipping':
      return services.cancelShipments(order)
    default:
      return unforeseen(service)
  }
}

/** After dispatch: the goods have left the stock, and the money is taken. */
export async function settleOrder(order: Order, services: Services, around: Surroundings): Promise<Change> {
  const left = order.shipments
    .filter((shipment) => shipment.status !== 'created' && !shipment.stock_committed)
    .map((shipment) => shipment.location_id)
  if (left.length > 0) {
    const committed = await services.commitStock(order, left)
    if (committed.kind !== 'done')
      return parkFor(order, { service: 'inventory', trouble: committed.kind, reason: committed.message }, around)
  }
  if (captureIsDue(order)) {
    const captured = await services.capturePayment(order)
    if (captured.kind !== 'done') return parkFor(order, { service: 'payment', trouble: captured.kind, reason: captured.message }, around)
  }
  return settled(order)
}

type NotDone = Exclude<Outcome<never>, { kind: 'done' }>

function notDone(order: Order, { service, outcome, around }: { service: StepService; outcome: NotDone; around: Surroundings }): Change {
  if (outcome.kind === 'refused') return reject(order, { by: service, code: outcome.code, message: outcome.message })
  return parkFor(order, { service, trouble: outcome.kind, reason: outcome.message }, around)
}

/** The order waits, or has waited long enough. */
export function parkFor(order: Order, waiting: Waiting, around: Surroundings): Change {
  return park(order, { ...waiting, now: around.now(), random: around.random(), limits: around.limits })
}

/** One parcel per location, in the order of the locations' names. */
export function parcelsOf(stock: ReservedStock): Parcel[] {
  const byLocation = new Map<string, Parcel>()
  for (const item of stock.items) {
    for (const { locationId, quantity } of item.allocations) {
      const parcel = byLocation.get(locationId) ?? { locationId, weightGrams: 0, items: [] }
      parcel.items.push({ productId: item.productId, quantity })
      parcel.weightGrams += item.weightGrams * quantity
      byLocation.set(locationId, parcel)
    }
  }
  return [...byLocation.values()].sort((a, b) => (a.locationId < b.locationId ? -1 : 1))
}
