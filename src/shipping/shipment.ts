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
export type ParcelAddress = { name: string; line1: string; line2: string; city: string; region: string; postal_code: string; country: string }
export type Parcel = { locationId: string; weightGrams: number; items: ParcelItem[] }

/** Parcels in the order of their locations' names: their place gives the shipment its number. */
export const inNumberOrder = (parcels: readonly Parcel[]): Parcel[] => [...parcels].sort((a, b) => (a.locationId < b.locationId ? -1 : 1))

export type Move = 'dispatch' | 'deliver'
const TARGET = { dispatch: 'dispatched', deliver: 'delivered' } as const

/** What becomes of a shipment that is to be dispatched or delivered: its next status, nothing new, or why not. */
export function move(status: ShipmentStatus, to: Move): { status: 'dispatched' | 'delivered' } | 'already' | { code: string; message: string } {
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
      return status satisfies never
  }
}
