import { unforeseen } from '../platform/unforeseen.ts'

/** Rules of shipments, without I/O. */

export type ShipmentStatus = 'requested' | 'created' | 'dispatched' | 'delivered' | 'cancelled'

/** The life of a shipment on one screen. */
export const nextStatuses: Record<ShipmentStatus, readonly ShipmentStatus[]> = {
  requested: ['created', 'cancelled'],
  created: ['dispatched', 'cancelled'],
  dispatched: ['delivered'],
  delivered: [],
  cancelled: [],
}

export type ShipmentKey = { orderId: string; number: number }

/** A shipment's id is made of its order's id and a number from 1: the same on every retry, and no index of its own. */
export const shipmentId = ({ orderId, number }: ShipmentKey): string => `${orderId}-${number}`

/** The parts of a shipment's id; undefined when it is none. */
export function parseShipmentId(id: string): ShipmentKey | undefined {
  const match = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})-([1-9]\d{0,3})$/.exec(id)
  return match ? { orderId: match[1] as string, number: Number(match[2]) } : undefined
}

export type ParcelItem = { product_id: string; quantity: number }
export type ParcelAddress = {
  name: string
  line1: string
  line2: string
  city: string
  region: string
  postal_code: string
  country: string
}
export type Parcel = { locationId: string; weightGrams: number; items: ParcelItem[] }

/** Parcels in the order of their locations' names: their place gives the shipment its number. */
export const inNumberOrder = (parcels: readonly Parcel[]): Parcel[] => [...parcels].sort((a, b) => (a.locationId < b.locationId ? -1 : 1))

export const SHIPPING_METHODS: readonly string[] = ['standard', 'express']
const MOST_PARCELS = 1_000

/** What is wrong with a wish to ship that can't even be stored, looked at in this order; undefined when all is well. */
export function malformed(wish: { shippingMethod: string; address: ParcelAddress | null; parcels: readonly Parcel[] }): string | undefined {
  const { shippingMethod, address, parcels } = wish
  if (!SHIPPING_METHODS.includes(shippingMethod)) return `there is no such shipping method; there are ${SHIPPING_METHODS.join(', ')}`
  if (parcels.length === 0 || parcels.length > MOST_PARCELS) return `there must be 1 to ${MOST_PARCELS} parcels`
  if (new Set(parcels.map((parcel) => parcel.locationId)).size < parcels.length) return 'there must be one parcel per location'
  for (const { locationId, weightGrams, items } of parcels) {
    if (locationId === '') return 'each parcel needs its location'
    if (!Number.isSafeInteger(weightGrams) || weightGrams < 0) return 'the weight must be whole grams, 0 or more'
    if (items.length === 0) return 'each parcel needs items'
    if (items.some((item) => item.product_id === '')) return 'each item needs its product'
    if (items.some((item) => !Number.isSafeInteger(item.quantity) || item.quantity < 1)) return 'the quantity must be whole, 1 or more'
  }
  const texts = [
    ...Object.values(address ?? {}),
    ...parcels.flatMap(({ locationId, items }) => [locationId, ...items.map((item) => item.product_id)]),
  ]
  // PostgreSQL can't store it, and would fail the neighbours too.
  return texts.some((text) => text.includes('\0')) ? 'a text has a null character in it' : undefined
}

export type Move = 'dispatch' | 'deliver'
const TARGET = { dispatch: 'dispatched', deliver: 'delivered' } as const

/** What becomes of a shipment that is to be dispatched or delivered: its next status, nothing new, or why not. */
export function move(
  status: ShipmentStatus,
  to: Move,
): { status: 'dispatched' | 'delivered' } | 'already' | { code: string; message: string } {
  const target = TARGET[to]
  if (nextStatuses[status].includes(target)) return { status: target }
  switch (status) {
    case 'cancelled':
      return { code: 'shipment_cancelled', message: 'the shipment was cancelled' }
    case 'requested':
      return { code: 'not_created', message: 'the carrier has not confirmed the booking yet' }
    case 'created':
      return { code: 'not_dispatched', message: 'the shipment has not been dispatched yet' }
    case 'dispatched':
    case 'delivered':
      return 'already'
    default:
      return unforeseen(status)
  }
}
