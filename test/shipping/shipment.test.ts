import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import {
  inNumberOrder,
  malformed,
  move,
  nextStatuses,
  parseShipmentId,
  type ShipmentStatus,
  shipmentId,
} from '../../src/shipping/shipment.ts'
import { parcel } from './depot.ts'

const statuses = Object.keys(nextStatuses) as ShipmentStatus[]

describe('the life of a shipment', () => {
  it('reaches every status from requested, and ends at delivered and cancelled', () => {
    const reached = new Set<ShipmentStatus>(['requested'])
    for (const status of reached) for (const next of nextStatuses[status]) reached.add(next)
    expect([...reached].sort()).toEqual([...statuses].sort())
    expect(statuses.filter((status) => nextStatuses[status].length === 0).sort()).toEqual(['cancelled', 'delivered'])
  })

  it('never goes back, whatever is asked and how often', () => {
    const moves = fc.array(fc.constantFrom('dispatch' as const, 'deliver' as const), { maxLength: 8 })
    fc.assert(
      fc.property(fc.constantFrom(...statuses), moves, (start, asked) => {
        let status = start
        for (const to of asked) {
          const before = status
          const result = move(status, to)
          if (typeof result === 'object' && 'status' in result) status = result.status
          if (status !== before) expect(nextStatuses[before]).toContain(status)
          // Asked twice in a row, the second changes nothing.
          const again = move(status, to)
          expect(typeof again === 'object' && 'status' in again).toBe(false)
        }
      }),
    )
  })
})

describe('the id of a shipment', () => {
  it('is read back as it was made', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.integer({ min: 1, max: 9_999 }), (orderId, number) => {
        expect(parseShipmentId(shipmentId({ orderId, number }))).toEqual({ orderId, number })
      }),
    )
  })

  it('is none for any other text', () => {
    fc.assert(fc.property(fc.string(), (text) => parseShipmentId(text) === undefined))
    const orderId = newId()
    for (const end of ['', '-', '-0', '-01', '--1', '-1 ', '-1\n', '-1.5', '-10000', '-１'])
      expect(parseShipmentId(orderId + end)).toBeUndefined()
    expect(parseShipmentId(`${orderId.toUpperCase()}-1`)).toBeUndefined()
  })
})

describe('a wish to ship', () => {
  it('numbers its parcels by location, in whatever order they come', () => {
    const locations = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(locations, (names) => {
        const forwards = inNumberOrder(names.map((name) => parcel(name)))
        expect(inNumberOrder([...names].reverse().map((name) => parcel(name)))).toEqual(forwards)
      }),
    )
  })

  it('says what is wrong with it in words', () => {
    const wish = { shippingMethod: 'express', address: null, parcels: [parcel()] }
    expect(malformed(wish)).toBeUndefined()
    expect(malformed({ ...wish, shippingMethod: 'pigeon' })).toBe('there is no such shipping method; there are standard, express')
    expect(malformed({ ...wish, parcels: [parcel('vigo', 0.5)] })).toMatch(/whole grams/)
  })
})
