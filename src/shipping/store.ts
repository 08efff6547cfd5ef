import { type Database, rows, sql, type Transaction } from '../platform/postgres.ts'
import {
  inNumberOrder,
  type Move,
  move,
  type Parcel,
  type ParcelAddress,
  type ParcelItem,
  parseShipmentId,
  type ShipmentStatus,
} from './shipment.ts'

/** Decisions per order, shipments, and the facts that orders must be told (relay-store.ts reads them). Each function takes many, in one transaction. */

export type ShipmentRow = {
  order_id: string
  number: number
  location_id: string
  status: ShipmentStatus
  carrier: string
  tracking_number: string
  shipping_method: string
  items: ParcelItem[]
  address: ParcelAddress | null
  weight_grams: number
  created_at: Date
  updated_at: Date
}
/** How long after a process began to book the carrier may still hear of it: longer than any call to the carrier may take. */
const BOOKING_ENDS_AFTER = '60 seconds'

export type Decision = {
  order_id: string
  status: 'requested' | 'created' | 'refused' | 'cancelled'
  refusal_code: string | null
  refusal_message: string | null
  shipments: ShipmentRow[]
}
export type CreateCommand = { orderId: string; shippingMethod: string; address: ParcelAddress | null; parcels: Parcel[] }
export type Booking = { order_id: string; number: number; carrier: string; tracking_number: string }

/** Writes the wish to ship of orders not seen before: one statement, one commit. @returns all decisions as they stand, by order id. */
export async function requestShipments(db: Database, commands: readonly CreateCommand[]): Promise<Map<string, Decision>> {
  const firsts = new Map([...commands].reverse().map((command) => [command.orderId, command]))
  const wanted = [...firsts.values()].flatMap(({ orderId, shippingMethod, address, parcels }) =>
    inNumberOrder(parcels).map((parcel, i) => ({
      ...{ order_id: orderId, number: i + 1, location_id: parcel.locationId, shipping_method: shippingMethod },
      ...{ items: parcel.items, address, weight_grams: parcel.weightGrams },
    })),
  )
  const written = await db.query<ShipmentRow>(sql`
    with wanted as (
      select * from jsonb_to_recordset(${rows(wanted)}) as r(
        order_id uuid, number int, location_id text, shipping_method text, items jsonb, address jsonb, weight_grams bigint)
    ), decided as (
      insert into order_shipments (order_id, status)
      select distinct order_id, 'requested' from wanted order by order_id
      on conflict (order_id) do nothing returning order_id
    )
    insert into shipments (order_id, number, location_id, status, shipping_method, items, address, weight_grams)
    select order_id, w.number, w.location_id, 'requested', w.shipping_method, w.items, w.address, w.weight_grams
    from wanted w join decided using (order_id)
    returning order_id, number, location_id, status, carrier, tracking_number, shipping_method, items, address, weight_grams, created_at, updated_at`)
  const decisions = new Map<string, Decision>()
  for (const [order_id, shipments] of Map.groupBy(written, (row) => row.order_id)) {
    shipments.sort((x, y) => x.number - y.number)
    decisions.set(order_id, { order_id, status: 'requested', refusal_code: null, refusal_message: null, shipments })
  }
  const repeated = [...firsts.keys()].filter((orderId) => !decisions.has(orderId))
  if (repeated.length === 0) return decisions
  return new Map([...decisions, ...(await readDecisions(db, repeated))])
}

/**
 * Writes bookings of orders whose decision is still open: one statement, one commit.
 * @returns the orders that were written, with the time of it; the others were called off, refused or booked meanwhile.
 */
export async function confirmBookings(db: Database, booked: ReadonlyMap<string, Booking[]>): Promise<Map<string, Date>> {
  const written = await db.query<{ order_id: string; at: Date }>(sql`
    with open as (
      select order_id from order_shipments
      where order_id = any(${[...booked.keys()]}::uuid[]) and status = 'requested' order by order_id for update
    ), decided as (
      update order_shipments o set status = 'created' from open where o.order_id = open.order_id
    ), tracked as (
      update shipments s set status = 'created', carrier = r.carrier, tracking_number = r.tracking_number, updated_at = now()
      from jsonb_to_recordset(${rows([...booked.values()].flat())}) as r(order_id uuid, number int, carrier text, tracking_number text)
      join open on open.order_id = r.order_id
      where s.order_id = r.order_id and s.number = r.number
    )
    select order_id, now() as at from open`)
  return new Map(written.map((row) => [row.order_id, row.at]))
}

/**
 * Writes what the carrier said, only where the decision is still open: an order called off meanwhile stays off, and its bookings are
 * marked to be cancelled at the carrier. @returns all decisions as they stand then.
 */
export function recordBookings(
  db: Database,
  { booked, refused }: { booked: ReadonlyMap<string, Booking[]>; refused: ReadonlyMap<string, { code: string; message: string }> },
): Promise<Map<string, Decision>> {
  return db.transaction(async (tx) => {
    const orderIds = [...booked.keys(), ...refused.keys()]
    const locked = await lockDecisions(tx, orderIds)
    const open = (orderId: string) => locked.get(orderId) === 'requested'
    const created = [...booked.keys()].filter(open)
    const bookings = created.flatMap((orderId) => booked.get(orderId) ?? [])
    if (bookings.length > 0) {
      tx.write(sql`
        update shipments s set status = 'created', carrier = r.carrier, tracking_number = r.tracking_number, updated_at = now()
        from jsonb_to_recordset(${rows(bookings)}) as r(order_id uuid, number int, carrier text, tracking_number text)
        where s.order_id = r.order_id and s.number = r.number`)
      tx.write(sql`update order_shipments set status = 'created' where order_id = any(${created}::uuid[])`)
    }
    // Also orders that were called off or refused while we booked: the carrier may have heard of that before it heard of our booking.
    const isOff = (orderId: string) => locked.get(orderId) === 'cancelled' || locked.get(orderId) === 'refused'
    const unwanted = orderIds.filter((orderId) => isOff(orderId) || (open(orderId) && refused.has(orderId)))
    callOffAtCarrier(tx, unwanted)
    const refusals = [...refused].filter(([orderId]) => open(orderId)).map(([order_id, why]) => ({ order_id, ...why }))
    if (refusals.length > 0) {
      // One parcel refused is all refused: what the carrier did book of this order is called off there.
      tx.write(sql`
        update order_shipments o set status = 'refused', refusal_code = r.code, refusal_message = r.message
        from jsonb_to_recordset(${rows(refusals)}) as r(order_id uuid, code text, message text) where o.order_id = r.order_id`)
      cancelAll(
        tx,
        refusals.map((refusal) => refusal.order_id),
      )
    }
    return readDecisions(tx, orderIds)
  })
}

/**
 * Calls all shipments of each order off, or none once one was dispatched. An order never seen gets a tombstone.
 * @returns by order id: whether it is off.
 */
export function cancelShipments(
  db: Database,
  orderIds: readonly string[],
): Promise<Map<string, { off: boolean; shipments: ShipmentRow[] }>> {
  return db.transaction(
    async (tx) => {
      const unique = [...new Set(orderIds)]
      tx.write(sql`
      insert into order_shipments (order_id, status)
      select order_id, 'cancelled' from jsonb_to_recordset(${rows(unique.map((order_id) => ({ order_id })))}) as r(order_id uuid) order by order_id
      on conflict (order_id) do nothing`)
      const locked = await lockDecisions(tx, unique)
      const before = await readShipments(tx, unique)
      const hasLeft = (orderId: string) =>
        before.some((row) => row.order_id === orderId && (row.status === 'dispatched' || row.status === 'delivered'))
      const stop = unique.filter((orderId) => ['requested', 'created'].includes(locked.get(orderId) ?? '') && !hasLeft(orderId))
      if (stop.length > 0) {
        callOffAtCarrier(tx, stop)
        tx.write(sql`update order_shipments set status = 'cancelled' where order_id = any(${stop}::uuid[])`)
        cancelAll(tx, stop)
      }
      const after = await readShipments(tx, unique)
      return new Map(
        unique.map((orderId) => [orderId, { off: !hasLeft(orderId), shipments: after.filter((row) => row.order_id === orderId) }]),
      )
    },
    { retryOn: ['23505'] },
  )
}

export type Moved = { row: ShipmentRow } | { code: string; message: string }

/** Dispatches or delivers shipments, writing the fact for orders in the same transaction. Locks the orders' decisions first, as cancel does. */
export function moveShipments(db: Database, shipmentIds: readonly string[], to: Move): Promise<Moved[]> {
  return db.transaction(async (tx) => {
    const keys = shipmentIds.map(parseShipmentId)
    const orderIds = [...new Set(keys.flatMap((key) => key?.orderId ?? []))]
    const [, shipments, [clock]] = await Promise.all([
      lockDecisions(tx, orderIds),
      readShipments(tx, orderIds),
      tx.query<{ now: Date }>(sql`select now()`),
    ])
    const known = new Map(shipments.map((row) => [`${row.order_id}-${row.number}`, row]))
    const changed: ShipmentRow[] = []
    const answers = shipmentIds.map((id): Moved => {
      const row = known.get(id)
      if (!row) return { code: 'unknown_shipment', message: 'there is no such shipment' }
      const decision = move(row.status, to)
      if (decision === 'already') return { row }
      if ('code' in decision) return decision
      Object.assign(row, { status: decision.status, updated_at: clock?.now })
      changed.push(row)
      return { row }
    })
    if (changed.length > 0) {
      const list = rows(changed.map(({ order_id, number, location_id, status }) => ({ order_id, number, location_id, status })))
      tx.write(sql`
        update shipments s set status = r.status, updated_at = now()
        from jsonb_to_recordset(${list}) as r(order_id uuid, number int, status text) where s.order_id = r.order_id and s.number = r.number`)
      tx.write(sql`
        insert into facts (order_id, number, location_id, status)
        select order_id, number, location_id, status from jsonb_to_recordset(${list}) as r(order_id uuid, number int, location_id text, status text)`)
    }
    return answers
  })
}

export async function getShipments(db: Database, ids: readonly string[]): Promise<Map<string, ShipmentRow>> {
  const orderIds = ids.flatMap((id) => parseShipmentId(id)?.orderId ?? [])
  return new Map((await readShipments(db, orderIds)).map((row) => [`${row.order_id}-${row.number}`, row]))
}

/**
 * The relay is to tell the carrier. Call it before the status leaves `requested`: a booking may be on its way then, of a process that may die
 * before it learns of the cancel, so the carrier is told once more when every booking has arrived or failed.
 */
function callOffAtCarrier(tx: Transaction, orderIds: readonly string[]): void {
  if (orderIds.length === 0) return
  tx.write(sql`
    update order_shipments set carrier_cancel_due = true, carrier_cancel_at = now(), carrier_cancel_asks = carrier_cancel_asks + 1,
      carrier_cancel_again_at = case when status = 'requested' then now() + ${BOOKING_ENDS_AFTER}::interval else carrier_cancel_again_at end
    where order_id = any(${orderIds}::uuid[])`)
}

function cancelAll(tx: Transaction, orderIds: readonly string[]): void {
  tx.write(sql`update shipments set status = 'cancelled', updated_at = now() where order_id = any(${orderIds}::uuid[])`)
}

/** Locks the decisions of these orders, always by order id, so that two batches never deadlock. */
async function lockDecisions(tx: Transaction, orderIds: readonly string[]): Promise<Map<string, Decision['status']>> {
  const found = await tx.query<Pick<Decision, 'order_id' | 'status'>>(sql`
    select order_id, status from order_shipments where order_id = any(${orderIds}::uuid[]) order by order_id for update`)
  return new Map(found.map((row) => [row.order_id, row.status]))
}

function readShipments(from: Pick<Database, 'query'>, orderIds: readonly string[]): Promise<ShipmentRow[]> {
  return from.query<ShipmentRow>(sql`
    select order_id, number, location_id, status, carrier, tracking_number, shipping_method, items, address, weight_grams, created_at, updated_at
    from shipments where order_id = any(${orderIds}::uuid[]) order by order_id, number`)
}

async function readDecisions(tx: Pick<Database, 'query'>, orderIds: readonly string[]): Promise<Map<string, Decision>> {
  const [decisions, shipments] = await Promise.all([
    tx.query<Omit<Decision, 'shipments'>>(sql`
      select order_id, status, refusal_code, refusal_message from order_shipments where order_id = any(${orderIds}::uuid[])`),
    readShipments(tx, orderIds),
  ])
  const byOrder = Map.groupBy(shipments, (row) => row.order_id)
  return new Map(decisions.map((row) => [row.order_id, { ...row, shipments: byOrder.get(row.order_id) ?? [] }]))
}
