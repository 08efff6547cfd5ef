import { describe, expect, it } from 'vitest'
import type { Change } from '../../src/orders/order.ts'
import { cancelOrder, parcelsOf, placeOrder, settleOrder, undoOrder } from '../../src/orders/place-order.ts'
import { done, refused, unavailable, unknown } from '../../src/platform/outcome.ts'
import {
  anOrder,
  aShipment,
  calm,
  confirmedOrder,
  NOON,
  reservedFor,
  type scriptedServices as Scripted,
  scriptedServices,
} from './examples.ts'

/** Follows an order's work to its end, as the coordinator does. */
async function follow(change: Change, services: ReturnType<typeof Scripted>): Promise<Change> {
  return change.order.work === 'undo' && change.dueInMs === 0 ? undoOrder(change.order, services, calm) : change
}

describe('placing an order', () => {
  it('reserves, authorises, books and confirms, in this order', async () => {
    const services = scriptedServices()
    const change = await placeOrder(anOrder(), services, calm)
    expect(services.steps()).toEqual(['reserveStock', 'authorisePayment', 'createShipments'])
    expect(change).toMatchObject({
      dueInMs: null,
      order: {
        status: 'confirmed',
        work: null,
        total_minor: 1000,
        currency: 'EUR',
        payment: { status: 'authorised', amount_minor: 1000 },
        shipments: [{ location_id: 'main' }],
      },
      event: { type: 'order.confirmed', data: { total_minor: 1000 } },
    })
  })

  it('authorises the total that the prices of inventory make, freight and discount included', async () => {
    const services = scriptedServices()
    const order = anOrder({ freight_minor: 490 })
    order.items = order.items.map((item) => ({ ...item, discount_basis_points: 1000 }))
    await placeOrder(order, services, calm)
    expect(services.calls[1]?.order).toMatchObject({ total_minor: 1390, currency: 'EUR' })
  })

  it('is rejected with nothing to undo when it is out of stock', async () => {
    const services = scriptedServices({ reserveStock: async () => refused('out_of_stock', 'none left') })
    const change = await follow(await placeOrder(anOrder(), services, calm), services)
    expect(change).toMatchObject({
      dueInMs: null,
      order: { status: 'rejected', work: null, rejected_by: 'inventory', rejection_code: 'out_of_stock', payment: null },
    })
    expect(services.steps()).toEqual(['reserveStock'])
  })

  it('releases the stock when the card is declined', async () => {
    const services = scriptedServices({ authorisePayment: async () => refused('payment_declined', 'no') })
    const change = await follow(await placeOrder(anOrder(), services, calm), services)
    expect(services.steps()).toEqual(['reserveStock', 'authorisePayment', 'releaseStock'])
    expect(change.order).toMatchObject({
      status: 'rejected',
      rejection_code: 'payment_declined',
      work: null,
      payment: { status: 'declined' },
    })
  })

  it('lets the money go and then releases the stock when the carrier refuses', async () => {
    const services = scriptedServices({ createShipments: async () => refused('carrier_refused', 'no') })
    const change = await follow(await placeOrder(anOrder(), services, calm), services)
    expect(services.steps()).toEqual(['reserveStock', 'authorisePayment', 'createShipments', 'voidPayment', 'releaseStock'])
    expect(change.order).toMatchObject({ status: 'rejected', rejection_code: 'carrier_refused', work: null, payment: { status: 'voided' } })
  })

  it('writes a rejection before it undoes anything', async () => {
    const services = scriptedServices({ createShipments: async () => refused('carrier_refused', 'no') })
    const change = await placeOrder(anOrder(), services, calm)
    expect(change).toMatchObject({ dueInMs: 0, order: { status: 'rejected', work: 'undo' } })
    expect(services.steps()).not.toContain('releaseStock')
  })

  it('takes nothing when the total is not the one the customer expects, and releases the stock', async () => {
    const services = scriptedServices()
    const change = await follow(await placeOrder(anOrder({ expected_total_minor: 999 }), services, calm), services)
    expect(services.steps()).toEqual(['reserveStock', 'releaseStock'])
    expect(change.order).toMatchObject({ status: 'rejected', rejected_by: 'orders', rejection_code: 'total_mismatch', payment: null })
    expect((await placeOrder(anOrder({ expected_total_minor: 1000 }), services, calm)).order.status).toBe('confirmed')
  })

  it.each([
    ['reserveStock', 'inventory'],
    ['authorisePayment', 'payment'],
    ['createShipments', 'shipping'],
  ] as const)('is parked, with nothing undone, while %s is unavailable or its outcome unknown', async (step, service) => {
    for (const outcome of [unavailable("can't be reached"), unknown('timed out')]) {
      const services = scriptedServices({ [step]: async () => outcome })
      const change = await placeOrder(anOrder(), services, calm)
      expect(change).toMatchObject({
        dueInMs: 200,
        order: {
          status: 'pending',
          work: 'place',
          waiting_service: service,
          waiting_reason: outcome.message,
          waiting_since: NOON,
          attempts: 1,
        },
      })
      expect(services.steps().at(-1)).toBe(step)
    }
  })

  it('makes one parcel per location, with its weight', () => {
    const order = anOrder()
    const stock = reservedFor(order)
    stock.items = [
      {
        productId: 'a1',
        quantity: 3,
        unitPriceMinor: 1,
        weightGrams: 100,
        allocations: [
          { locationId: 'north', quantity: 1 },
          { locationId: 'main', quantity: 2 },
        ],
      },
      { productId: 'b2', quantity: 1, unitPriceMinor: 1, weightGrams: 7, allocations: [{ locationId: 'north', quantity: 1 }] },
    ]
    expect(parcelsOf(stock)).toEqual([
      { locationId: 'main', weightGrams: 200, items: [{ productId: 'a1', quantity: 2 }] },
      {
        locationId: 'north',
        weightGrams: 107,
        items: [
          { productId: 'a1', quantity: 1 },
          { productId: 'b2', quantity: 1 },
        ],
      },
    ])
  })
})

describe('cancelling an order', () => {
  it('calls the shipments off first, and only then lets the money go and releases the stock', async () => {
    const services = scriptedServices()
    const change = await cancelOrder(confirmedOrder({ work: 'cancel' }), services, calm)
    expect(services.steps()).toEqual(['cancelShipments'])
    const end = await follow(change, services)
    expect(services.steps()).toEqual(['cancelShipments', 'voidPayment', 'releaseStock'])
    expect(end.order).toMatchObject({ status: 'cancelled', work: null, payment: { status: 'voided' } })
  })

  it('is refused when a shipment has left, and undoes nothing', async () => {
    const services = scriptedServices({ cancelShipments: async () => refused('already_dispatched', 'gone') })
    expect(await cancelOrder(confirmedOrder({ work: 'cancel' }), services, calm)).toMatchObject({
      dueInMs: null,
      order: { status: 'confirmed', work: null },
      event: { type: 'order.cancel_refused' },
    })
    expect(services.steps()).toEqual(['cancelShipments'])
  })

  it.each([unavailable('down'), unknown('timed out')])('waits for shipping while that does not say: %o', async (outcome) => {
    const services = scriptedServices({ cancelShipments: async () => outcome })
    expect(await cancelOrder(confirmedOrder({ work: 'cancel' }), services, calm)).toMatchObject({
      order: { status: 'confirmed', work: 'cancel', waiting_service: 'shipping' },
    })
  })
})

describe('undoing', () => {
  const rejected = () => anOrder({ status: 'rejected', rejected_by: 'shipping', work: 'undo' })

  it.each([unavailable('down'), unknown('timed out'), refused('payment_not_authorised', 'odd')])(
    'stays to be done until it is done: %o',
    async (outcome) => {
      const services = scriptedServices({ voidPayment: async () => outcome })
      const change = await undoOrder(rejected(), services, calm)
      expect(change).toMatchObject({
        dueInMs: 200,
        order: { status: 'rejected', work: 'undo', waiting_service: 'payment', waiting_reason: outcome.message },
      })
      expect(services.steps()).toEqual(['voidPayment'])
    },
  )
})

describe('settling', () => {
  const dispatched = (over = {}) => {
    const order = confirmedOrder({ status: 'dispatched', work: 'settle', ...over })
    order.shipments = [aShipment(order, { status: 'dispatched' }), aShipment(order, { id: `${order.id}-2`, location_id: 'north' })]
    return order
  }

  it('commits the stock of what has left and takes the money', async () => {
    const services = scriptedServices()
    const change = await settleOrder(dispatched(), services, calm)
    expect(services.calls.map(({ step, detail }) => [step, detail])).toEqual([
      ['commitStock', ['main']],
      ['capturePayment', undefined],
    ])
    expect(change.order).toMatchObject({ work: null, payment: { status: 'captured' } })
  })

  it('of the second parcel commits only that one and takes no money again', async () => {
    const services = scriptedServices()
    const first = (await settleOrder(dispatched(), services, calm)).order
    first.shipments = first.shipments.map((shipment) => ({ ...shipment, status: 'dispatched' }))
    await settleOrder({ ...first, work: 'settle' }, services, calm)
    expect(services.calls.slice(2).map(({ step, detail }) => [step, detail])).toEqual([['commitStock', ['north']]])
  })

  it('takes cash only at the door', async () => {
    const services = scriptedServices()
    const change = await settleOrder(dispatched({ payment_method: 'cash_on_delivery' }), services, calm)
    expect(services.steps()).toEqual(['commitStock'])
    expect(change.order.payment?.status).toBe('authorised')
    const delivered = {
      ...change.order,
      status: 'delivered' as const,
      work: 'settle' as const,
      shipments: change.order.shipments.map((shipment) => ({ ...shipment, status: 'delivered' })),
    }
    expect((await settleOrder(delivered, services, calm)).order).toMatchObject({ payment: { status: 'captured' }, work: null })
    expect(services.steps()).toEqual(['commitStock', 'commitStock', 'capturePayment'])
  })

  it('is parked for whoever does not answer, and begins again safely', async () => {
    const services = scriptedServices({ capturePayment: async () => unavailable('down') })
    const parked = await settleOrder(dispatched(), services, calm)
    expect(parked.order).toMatchObject({ status: 'dispatched', work: 'settle', waiting_service: 'payment' })
    const again = scriptedServices({ capturePayment: async () => done({}) })
    expect((await settleOrder(parked.order, again, calm)).order.work).toBeNull()
  })
})
