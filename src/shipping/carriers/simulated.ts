import { createHash } from 'node:crypto'
import type { BookAnswer, BookRequest, Carrier } from '../carrier.ts'

const NAME = 'simulated-post'
const HEAVIEST_GRAMS = 1_000_000
const NOT_SERVED = new Set(['AQ'])

/** A carrier that serves all countries but Antarctica (AQ), up to 1,000 kg a parcel. The same shipment always gets the same tracking number. */
export function simulatedCarrier(): Carrier {
  return {
    async book(requests) {
      return requests.map(book)
    },
    async cancel(shipmentIds) {
      return shipmentIds.map(() => ({ kind: 'cancelled' }))
    },
  }
}

function book({ shipmentId, weightGrams, address }: BookRequest): BookAnswer {
  if (address && NOT_SERVED.has(address.country))
    return { kind: 'refused', code: 'carrier_refused', message: `the carrier does not serve ${address.country}` }
  if (weightGrams > HEAVIEST_GRAMS) {
    return {
      kind: 'refused',
      code: 'carrier_refused',
      message: `the parcel weighs ${weightGrams} g; the carrier takes ${HEAVIEST_GRAMS} g at most`,
    }
  }
  return { kind: 'booked', carrier: NAME, trackingNumber: trackingNumber(shipmentId) }
}

const WEIGHTS = [8, 6, 4, 2, 3, 5, 9, 7]

/** Twelve hexadecimal digits of the shipment's hash, then eight digits and a check digit as in UPU S10 (weights 8 6 4 2 3 5 9 7, modulo 11). */
export function trackingNumber(shipmentId: string): string {
  const hash = createHash('sha256').update(shipmentId).digest('hex')
  const digits = [...String(Number.parseInt(hash.slice(0, 12), 16) % 100_000_000).padStart(8, '0')].map(Number)
  const rest = 11 - (digits.reduce((sum, digit, i) => sum + digit * (WEIGHTS[i] ?? 0), 0) % 11)
  const check = rest === 10 ? 0 : rest === 11 ? 5 : rest
  return `${hash.slice(12, 24).toUpperCase()}${digits.join('')}${check}ES`
}
