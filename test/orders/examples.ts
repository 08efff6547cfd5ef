import { createHash } from 'node:crypto'
import type { PlaceOrderCommand } from '../../src/gen/comanda/v1/orders.ts'
import { newOrder } from '../../src/orders/messages.ts'
import type { Order, OrderShipment } from '../../src/orders/order.ts'
import type { Parcel, ReservedStock, Services, Surroundings } from '../../src/orders/place-order.ts'
import { newId } from '../../src/platform/ids.ts'
import { done, type Outcome } from '../../src/platform/outcome.ts'

/** Orders, and services that do what a test tells them. */

export const fingerprintOf = (text: string) => new Uint8Array(createHash('sha256').update(text).digest())

export function aCommand(over: Partial<PlaceOrderCommand> = {}): PlaceOrderCommand {
  return {
    orderId: newId(),
    requestId: 'r1',
    traceparent: '',
    userId: 'u1',
    items: [{ productId: 'a1', quantity: 2, discountBasisPoints: 0 }],
    paymentMethod: 'credit_card',
    paymentToken: 'tok_test',
    currency: '',
    expectedTotalMinor: -1,
    freightMinor: 0,
    shippingMethod: 'standard',
    address: undefined,
    metadata: {},
    idempotencyKey: newId(),
    fingerprint: fingerprintOf('a body'),
    ...over,
  }
}

/** A pending order that was just accepted. */
export const anOrder = (over: Partial<Order> = {}): Order => ({ ...newOrder(aCommand()), created_at: NOON, ...over })

export const aShipment = (order: Order, over: Partial<OrderShipment> = {}): OrderShipment => ({
  id: `${order.id}-1`,
  status: 'created',
  location_id: 'main',
  carrier: 'test',
  tracking_number: 'T1',
  items: [{ product_id: 'a1', quantity: 2 }],
  stock_committed: false,
  ...over,
})

/** An order that was confirmed, with one shipment or those given. */
export function confirmedOrder(over: Partial<Order> = {}): Order {
  const order = anOrder(over)
  return {
    ...order,
    status: 'confirmed',
    work: null,
    due_at: null,
    total_minor: 1000,
    currency: 'EUR',
    payment: { status: 'authorised', amount_minor: 1000 },
    shipments: [aShipment(order)],
    ...over,
  }
}

/** What inventory answers: every item at this price, all of it from `main`. */
export function reservedFor(order: Order, unitPriceMinor = 500): ReservedStock {
  return {
    currency: 'EUR',
    items: order.items.map((item) => ({
      productId: item.product_id,
      quantity: item.quantity,
      unitPriceMinor,
      weightGrams: 100,
      allocations: [{ locationId: 'main', quantity: item.quantity }],
    })),
  }
}

export const shipmentsFor = (order: Order, parcels: Parcel[]): OrderShipment[] =>
  parcels.map((parcel, i) =>
    aShipment(order, {
      id: `${order.id}-${i + 1}`,
      location_id: parcel.locationId,
      items: parcel.items.map((item) => ({ product_id: item.productId, quantity: item.quantity })),
    }),
  )

export type StepName = keyof Services
export type Call = { step: StepName; order: Order; detail?: unknown }

/** Services that do everything, but for the steps that a test scripts; `calls` is what they were asked, in order. */
export function scriptedServices(script: Partial<Services> = {}): Services & { calls: Call[]; steps(orderId?: string): StepName[] } {
  const calls: Call[] = []
  const all: Services = {
    reserveStock: async (order) => done(reservedFor(order)),
    releaseStock: async () => done({}),
    commitStock: async () => done({}),
    authorisePayment: async () => done({}),
    voidPayment: async () => done({}),
    capturePayment: async () => done({}),
    createShipments: async (order, parcels) => done(shipmentsFor(order, parcels)),
    cancelShipments: async () => done({}),
    ...script,
  }
  const recorded = Object.fromEntries(
    (Object.keys(all) as StepName[]).map((step) => [
      step,
      (order: Order, detail: never): Promise<Outcome<unknown>> => {
        calls.push({ step, order, ...(detail !== undefined && { detail }) })
        return all[step](order, detail)
      },
    ]),
  ) as Services
  return { ...recorded, calls, steps: (orderId) => calls.filter((call) => !orderId || call.order.id === orderId).map((call) => call.step) }
}

/** Noon, and chance that always says 0: the shortest delay. */
export const NOON = new Date('2026-01-02T12:00:00Z')
export const calm: Surroundings = { now: () => NOON, random: () => 0 }

/** A call that is never answered, and whether it was made. */
export function hanging<T>(): { call: () => Promise<T>; made: Promise<void> } {
  let tell = () => {}
  const made = new Promise<void>((resolve) => {
    tell = resolve
  })
  const call = () => {
    tell()
    return new Promise<T>(() => {})
  }
  return { call, made }
}
