import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  cancel,
  captureIsDue,
  confirm,
  itemAmount,
  nextStatuses,
  type OrderStatus,
  priced,
  recordShipment,
  refuseCancel,
  reject,
  settled,
  undone,
  undosFor,
} from '../../src/orders/order.ts'
import { anOrder, aShipment, confirmedOrder } from './examples.ts'

const statuses = Object.keys(nextStatuses) as OrderStatus[]

describe('the life of an order', () => {
  it('reaches every status from pending', () => {
    const reached = new Set<OrderStatus>(['pending'])
    for (const status of reached) for (const next of nextStatuses[status]) reached.add(next)
    expect([...reached].sort()).toEqual([...statuses].sort())
  })

  it('ends in rejected, cancelled or returned, and never moves on from there', () => {
    expect(statuses.filter((status) => nextStatuses[status].length === 0)).toEqual(['rejected', 'cancelled', 'returned'])
  })

  it('never goes back', () => {
    const following = (status: OrderStatus): OrderStatus[] => nextStatuses[status].flatMap((next) => [next, ...following(next)])
    for (const status of statuses) expect(following(status)).not.toContain(status)
  })

  it.each(statuses.filter((status) => status !== 'pending'))('refuses to confirm or reject an order that is %s', (status) => {
    const order = confirmedOrder({ status })
    expect(() => confirm(order, [])).toThrow(/can't go from/)
    expect(() => reject(order, { by: 'payment', code: 'x', message: 'x' })).toThrow(/can't go from/)
  })

  it.each(['dispatched', 'delivered', 'rejected', 'cancelled', 'returned'] as const)('refuses to cancel an order that is %s', (status) => {
    expect(() => cancel(confirmedOrder({ status }))).toThrow(/can't go from/)
  })
})

describe('the price of an item', () => {
  it.each([
    [1, 999, 0, 999],
    [3, 333, 1500, 849], // 849.15
    [1, 1, 5000, 1], // 0.5, half up
    [1, 1, 5001, 0], // 0.4999
    [1, 3, 5000, 2], // 1.5, half up
    [7, 100, 10_000, 0],
  ])('%i × %i less %i basis points is %i', (quantity, unitPriceMinor, discountBasisPoints, amount) => {
    expect(itemAmount({ quantity, unitPriceMinor, discountBasisPoints })).toBe(amount)
  })

  it('is the exact rational number rounded half up, however large', () => {
    const line = fc.record({
      quantity: fc.integer({ min: 1, max: 1_000_000 }),
      unitPriceMinor: fc.integer({ min: 0, max: 9_000_000_000 }),
      discountBasisPoints: fc.integer({ min: 0, max: 10_000 }),
    })
    fc.assert(
      fc.property(line, ({ quantity, unitPriceMinor, discountBasisPoints }) => {
        fc.pre(BigInt(quantity) * BigInt(unitPriceMinor) <= BigInt(Number.MAX_SAFE_INTEGER))
        const exact = BigInt(quantity) * BigInt(unitPriceMinor) * BigInt(10_000 - discountBasisPoints)
        const amount = BigInt(itemAmount({ quantity, unitPriceMinor, discountBasisPoints })) * 10_000n
        // amount - 1/2 <= exact < amount + 1/2 is "half up"; doubled, to stay whole.
        expect(2n * exact >= 2n * amount - 10_000n && 2n * exact < 2n * amount + 10_000n).toBe(true)
      }),
    )
  })
})

describe('pricing an order', () => {
  const item = (product_id: string, quantity: number, discount_basis_points = 0) => ({
    product_id,
    quantity,
    discount_basis_points,
    unit_price_minor: 0,
    amount_minor: 0,
  })

  it('is the sum of its items after discount, plus freight', () => {
    const order = anOrder({ items: [item('a1', 3, 1500), item('b2', 1)], freight_minor: 490 })
    const result = priced(order, {
      currency: 'EUR',
      unitPrices: new Map([
        ['a1', 333],
        ['b2', 1000],
      ]),
    })
    expect(result.items.map((line) => line.amount_minor)).toEqual([849, 1000])
    expect([result.total_minor, result.currency]).toEqual([849 + 1000 + 490, 'EUR'])
  })

  it('is the same the second time', () => {
    const order = anOrder({ items: [item('a1', 3, 1500)], freight_minor: 5 })
    const prices = { currency: 'EUR', unitPrices: new Map([['a1', 333]]) }
    expect(priced(priced(order, prices), prices)).toEqual(priced(order, prices))
  })

  it('fails loudly without a price, and beyond 2^53', () => {
    const order = anOrder({ items: [item('a1', 1)] })
    expect(() => priced(order, { currency: 'EUR', unitPrices: new Map() })).toThrow(/no price for a1/)
    expect(() => priced(order, { currency: 'EUR', unitPrices: new Map([['a1', Number.MAX_SAFE_INTEGER]]) })).not.toThrow()
    expect(() =>
      priced({ ...order, freight_minor: 1 }, { currency: 'EUR', unitPrices: new Map([['a1', Number.MAX_SAFE_INTEGER]]) }),
    ).toThrow(/2\^53/)
  })
})

describe('rejecting', () => {
  it('undoes the steps before the one that refused, last first', () => {
    expect(undosFor('inventory')).toEqual([])
    expect(undosFor('orders')).toEqual(['inventory'])
    expect(undosFor('payment')).toEqual(['inventory'])
    expect(undosFor('shipping')).toEqual(['payment', 'inventory'])
    expect(undosFor(null)).toEqual(['payment', 'inventory'])
  })

  it('is final at once when there is nothing to undo, and else has the undos to do', () => {
    const why = { code: 'x', message: 'y' }
    expect(reject(anOrder(), { by: 'inventory', ...why })).toMatchObject({ dueInMs: null, order: { status: 'rejected', work: null } })
    expect(reject(anOrder(), { by: 'shipping', ...why })).toMatchObject({
      dueInMs: 0,
      order: { status: 'rejected', work: 'undo', rejection_code: 'x' },
    })
  })

  it('by payment shows a declined payment; voided money is shown only where there was a price', () => {
    expect(reject(anOrder({ total_minor: 70 }), { by: 'payment', code: 'x', message: '' }).order.payment).toEqual({
      status: 'declined',
      amount_minor: 70,
    })
    expect(undone(anOrder({ status: 'cancelled', work: 'undo' })).order.payment).toBeNull()
    expect(undone(anOrder({ status: 'rejected', rejected_by: 'shipping', total_minor: 70 })).order).toMatchObject({
      payment: { status: 'voided', amount_minor: 70 },
      work: null,
    })
  })
})

describe('cancelling', () => {
  it('has its undos to do, and its shipments called off', () => {
    expect(cancel(confirmedOrder({ work: 'cancel' }))).toMatchObject({
      dueInMs: 0,
      order: { status: 'cancelled', work: 'undo', shipments: [{ status: 'cancelled' }] },
    })
  })

  it('that is refused lets the order go on as it was', () => {
    expect(refuseCancel(anOrder({ work: 'cancel' }), 'gone')).toMatchObject({ dueInMs: 0, order: { status: 'pending', work: 'place' } })
    expect(refuseCancel(confirmedOrder({ work: 'cancel' }), 'gone')).toMatchObject({
      dueInMs: null,
      order: { status: 'confirmed', work: null },
    })
  })
})

describe('what shipping tells', () => {
  const two = confirmedOrder()
  two.shipments = [aShipment(two), aShipment(two, { id: `${two.id}-2`, location_id: 'north' })]
  const fact = (number: number, status: 'dispatched' | 'delivered') => ({ shipmentId: `${two.id}-${number}`, status })

  it('makes the order dispatched with the first parcel and delivered with the last', () => {
    const first = recordShipment(two, fact(1, 'dispatched'))
    expect(first).toMatchObject({ dueInMs: 0, order: { status: 'dispatched', work: 'settle' } })
    const second = recordShipment(first?.order ?? two, fact(1, 'delivered'))
    expect(second?.order.status).toBe('dispatched')
    const third = recordShipment(second?.order ?? two, fact(2, 'delivered'))
    expect(third).toMatchObject({ order: { status: 'delivered', work: 'settle' }, event: { type: 'shipment.delivered' } })
  })

  it('is news only once, and an old fact after a newer one is none', () => {
    const order = recordShipment(two, fact(1, 'delivered'))?.order ?? two
    expect(recordShipment(order, fact(1, 'delivered'))).toBeNull()
    expect(recordShipment(order, fact(1, 'dispatched'))).toBeNull()
  })

  it('about a shipment that is not of this order is an error', () => {
    expect(() => recordShipment(two, { shipmentId: 'other', status: 'dispatched' })).toThrow(/no shipment other/)
  })

  it('makes the money due at dispatch, and cash at the door', () => {
    const at = (status: OrderStatus, payment_method: string) => captureIsDue(confirmedOrder({ status, payment_method }))
    expect([at('dispatched', 'credit_card'), at('delivered', 'credit_card')]).toEqual([true, true])
    expect([at('dispatched', 'cash_on_delivery'), at('delivered', 'cash_on_delivery')]).toEqual([false, true])
    expect(captureIsDue(confirmedOrder({ status: 'delivered', payment: { status: 'captured', amount_minor: 1 } }))).toBe(false)
  })

  it('is settled when the money is taken and the goods of what has left are out of the stock', () => {
    const order = recordShipment(two, fact(1, 'dispatched'))?.order ?? two
    expect(settled(order).order).toMatchObject({
      work: null,
      payment: { status: 'captured' },
      shipments: [{ stock_committed: true }, { stock_committed: false }],
    })
  })
})
