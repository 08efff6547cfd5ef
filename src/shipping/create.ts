import { type Answer, done, refused, unknown } from '../platform/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import { unforeseen } from '../platform/unforeseen.ts'
import { askCarrier, type BookAnswer, type Carrier } from './carrier.ts'
import { shipmentId } from './shipment.ts'
import * as store from './store.ts'

/**
 * Books all shipments of each order, or none. The wish is committed before the carrier is asked, and the carrier is asked outside any
 * transaction; a repeat asks again with the same keys, or gets the stored decision.
 */
export async function createShipments(
  context: { db: Database; carrier: Carrier },
  commands: readonly store.CreateCommand[],
): Promise<Answer<store.ShipmentRow[]>[]> {
  const { db, carrier } = context
  const decisions = await store.requestShipments(db, commands)
  const open = [...decisions.values()].filter((decision) => decision.status === 'requested')
  const reasons = new Map<string, string>()
  if (open.length > 0) {
    const rows = open.flatMap((decision) => decision.shipments)
    const requests = rows.map((row) => ({
      shipmentId: shipmentId({ orderId: row.order_id, number: row.number }),
      method: row.shipping_method,
      weightGrams: row.weight_grams,
      address: row.address,
    }))
    const answers = await askCarrier(requests, (items) => carrier.book(items))
    const { booked, refused: refusals } = byOrder(rows, answers, reasons)
    for (const [orderId, at] of booked.size > 0 ? await store.confirmBookings(db, booked) : []) {
      decisions.set(orderId, created(decisions.get(orderId) as store.Decision, booked.get(orderId) ?? [], at))
      booked.delete(orderId)
    }
    // What is left is rare: refused, or decided otherwise while we booked.
    if (booked.size + refusals.size > 0) {
      for (const [orderId, decision] of await store.recordBookings(db, { booked, refused: refusals })) decisions.set(orderId, decision)
    }
  }
  return commands.map(({ orderId }) => answerOf(decisions.get(orderId), reasons.get(orderId)))
}

/** The decision as it was just written. */
function created(decision: store.Decision, bookings: readonly store.Booking[], at: Date): store.Decision {
  const shipments = decision.shipments.map((row) => {
    const { carrier, tracking_number } = bookings.find((booking) => booking.number === row.number) ?? row
    return { ...row, status: 'created' as const, carrier, tracking_number, updated_at: at }
  })
  return { ...decision, status: 'created', shipments }
}

type Answers = { booked: Map<string, store.Booking[]>; refused: Map<string, { code: string; message: string }> }

/** An order is booked when all its parcels are, refused when one is, and open otherwise (then `reasons` says why). */
function byOrder(rows: readonly store.ShipmentRow[], answers: readonly BookAnswer[], reasons: Map<string, string>): Answers {
  const booked = new Map<string, store.Booking[]>()
  const refusals: Answers['refused'] = new Map()
  rows.forEach(({ order_id, number }, i) => {
    const answer = answers[i] as BookAnswer
    if (answer.kind === 'booked') {
      const list = booked.get(order_id) ?? []
      booked.set(order_id, list)
      list.push({ order_id, number, carrier: answer.carrier, tracking_number: answer.trackingNumber })
    } else if (answer.kind === 'refused') refusals.set(order_id, { code: answer.code, message: answer.message })
    else reasons.set(order_id, answer.message)
  })
  for (const orderId of [...refusals.keys(), ...reasons.keys()]) booked.delete(orderId)
  for (const orderId of refusals.keys()) reasons.delete(orderId)
  return { booked, refused: refusals }
}

function answerOf(decision: store.Decision | undefined, reason = 'the carrier has not answered yet'): Answer<store.ShipmentRow[]> {
  if (!decision) return unknown(reason)
  switch (decision.status) {
    case 'created':
      return done(decision.shipments)
    case 'refused':
      return refused(decision.refusal_code ?? 'carrier_refused', decision.refusal_message ?? '')
    case 'cancelled':
      return refused('shipments_cancelled', 'the shipments of this order were called off')
    case 'requested':
      return unknown(reason)
    default:
      return unforeseen(decision.status)
  }
}
