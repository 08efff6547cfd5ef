import { type Answer, done, refused } from '../platform/outcome.ts'
import { type Database, rows, sql, type Transaction } from '../platform/postgres.ts'
import { unforeseen } from '../platform/unforeseen.ts'
import { allocate, FreeStock, type ProductFacts, type Reservation, type ReservedItem, type WantedItem } from './stock.ts'

/** Reservations and the stock they hold. Each function takes many, in one transaction. */

export type ReserveCommand = { orderId: string; currency: string; items: WantedItem[] }
type StockChange = { product_id: string; location_id: string; quantity: number; order_id: string }
type ReservationRow = {
  order_id: string
  status: 'held' | 'committed' | 'released' | 'refused' | 'tombstone'
  currency: string
  items: ReservedItem[]
  committed_locations: string[]
  refusal_code: string | null
  refusal_message: string | null
}

// A key that another transaction inserted between our look and our insert: run again and find it.
const KEY_TAKEN = { retryOn: ['23505'] }

/** Reserves all items of each order or none; a repeat gets the stored decision. */
export function reserveStock(db: Database, commands: readonly ReserveCommand[]): Promise<Answer<Reservation>[]> {
  return db.transaction(async (tx) => {
    const productIds = [...new Set(commands.flatMap((command) => command.items.map((item) => item.productId)))]
    // Three statements, one round trip. The look at earlier decisions comes after the locks, so it sees what the lock's holder wrote.
    const [products, free, known] = await Promise.all([
      readFacts(tx, productIds),
      lockFreeStock(tx, productIds),
      readReservations(
        tx,
        commands.map((command) => command.orderId),
      ),
    ])
    const decided = new Map<string, Answer<Reservation>>()
    for (const [orderId, row] of known) decided.set(orderId, storedDecision(row))
    const fresh: { orderId: string; answer: Answer<Reservation> }[] = []
    const answers = commands.map((command) => {
      const earlier = decided.get(command.orderId)
      if (earlier) return earlier
      const answer = allocate(command, products, free)
      decided.set(command.orderId, answer)
      fresh.push({ orderId: command.orderId, answer })
      return answer
    })
    if (fresh.length > 0) writeDecisions(tx, fresh)
    return answers
  }, KEY_TAKEN)
}

function writeDecisions(tx: Transaction, decisions: readonly { orderId: string; answer: Answer<Reservation> }[]): void {
  const changes: StockChange[] = []
  const reservations = decisions.map(({ orderId, answer }) => {
    if (answer.kind === 'done') {
      changes.push(...heldBy({ order_id: orderId, items: answer.value.items }))
      return { order_id: orderId, status: 'held', currency: answer.value.currency, items: answer.value.items }
    }
    return {
      order_id: orderId,
      status: 'refused',
      currency: '',
      items: [],
      ...(answer.kind === 'refused' && { code: answer.code, message: answer.message }),
    }
  })
  tx.write(sql`
    insert into reservations (order_id, status, currency, items, refusal_code, refusal_message)
    select order_id, status, currency, items, code, message
    from jsonb_to_recordset(${rows(reservations)}) as r(order_id uuid, status text, currency text, items jsonb, code text, message text)
    order by order_id`)
  moveStock(tx, 'reserved', changes)
}

function heldBy({ order_id, items }: { order_id: string; items: readonly ReservedItem[] }): StockChange[] {
  return items.flatMap((item) => item.allocations.map((part) => ({ product_id: item.product_id, order_id, ...part })))
}

/** Gives reserved stock back. An order never seen gets a tombstone, so that a late reserve is refused. */
export function releaseStock(db: Database, orderIds: readonly string[]): Promise<Answer<null>[]> {
  return db.transaction(async (tx) => {
    const known = await lockReservations(tx, orderIds)
    const held = [...known.values()].filter((row) => row.status === 'held' && row.committed_locations.length === 0)
    if (held.length > 0) {
      await lockFreeStock(tx, productsOf(held))
      moveStock(tx, 'released', held.flatMap(heldBy))
      tx.write(sql`
        update reservations set status = 'released', updated_at = now()
        where order_id = any(${held.map((row) => row.order_id)}::uuid[])`)
    }
    const unseen = [...new Set(orderIds)].filter((orderId) => !known.has(orderId))
    if (unseen.length > 0) {
      // New keys after the stock's locks, by key, as reserving does it: the other way round the two deadlock.
      tx.write(sql`
        insert into reservations (order_id, status)
        select order_id, 'tombstone' from jsonb_to_recordset(${rows(unseen.map((order_id) => ({ order_id })))}) as r(order_id uuid)
        order by order_id`)
    }
    return orderIds.map((orderId) => {
      const row = known.get(orderId)
      const left = row?.status === 'committed' || (row?.committed_locations.length ?? 0) > 0
      return left ? refused('stock_committed', `the goods of order ${orderId} have left already`) : done(null)
    })
  }, KEY_TAKEN)
}

/** The goods that an order holds at these locations have left. A repeat does nothing. */
export function commitStock(db: Database, commands: readonly { orderId: string; locationIds: string[] }[]): Promise<Answer<null>[]> {
  return db.transaction(async (tx) => {
    const known = await lockReservations(
      tx,
      commands.map((command) => command.orderId),
    )
    const changes: StockChange[] = []
    const touched = new Map<string, ReservationRow>()
    for (const { orderId, locationIds } of commands) {
      const row = known.get(orderId)
      if (row?.status !== 'held') continue
      const here = heldBy(row).filter(
        (part) => locationIds.includes(part.location_id) && !row.committed_locations.includes(part.location_id),
      )
      if (here.length === 0) continue
      changes.push(...here)
      row.committed_locations = [...new Set([...row.committed_locations, ...here.map((part) => part.location_id)])]
      if (heldBy(row).every((part) => row.committed_locations.includes(part.location_id))) row.status = 'committed'
      touched.set(orderId, row)
    }
    if (changes.length > 0) {
      await lockFreeStock(tx, productsOf([...touched.values()]))
      moveStock(tx, 'committed', changes)
      const updates = [...touched.values()].map((row) => ({
        order_id: row.order_id,
        status: row.status,
        committed: row.committed_locations,
      }))
      tx.write(sql`
        update reservations v set status = r.status, committed_locations = r.committed, updated_at = now()
        from jsonb_to_recordset(${rows(updates)}) as r(order_id uuid, status text, committed text[]) where v.order_id = r.order_id`)
    }
    return commands.map(({ orderId }) => {
      const row = known.get(orderId)
      const ok = row?.status === 'held' || row?.status === 'committed'
      return ok ? done(null) : refused('nothing_reserved', `order ${orderId} holds no stock`)
    })
  })
}

/** Per kind: what one unit does to the counters of its stock row. */
const EFFECT = { reserved: { on_hand: 0, reserved: 1 }, released: { on_hand: 0, reserved: -1 }, committed: { on_hand: -1, reserved: -1 } }

function moveStock(tx: Transaction, kind: keyof typeof EFFECT, changes: readonly StockChange[]): void {
  if (changes.length === 0) return
  const { on_hand, reserved } = EFFECT[kind]
  const all = rows(changes)
  // Deltas, summed by row: however many orders of the batch want a hot product, its row is written once.
  tx.write(sql`
    update stock s set on_hand = s.on_hand + d.units * ${on_hand}::int, reserved = s.reserved + d.units * ${reserved}::int
    from (select r.product_id, r.location_id, sum(r.quantity)::bigint as units
          from jsonb_to_recordset(${all}) as r(product_id text, location_id text, quantity bigint) group by 1, 2) d
    where s.product_id = d.product_id and s.location_id = d.location_id`)
  tx.write(sql`
    insert into movements (product_id, location_id, kind, on_hand_delta, reserved_delta, order_id)
    select r.product_id, r.location_id, ${kind}::text, r.quantity * ${on_hand}::int, r.quantity * ${reserved}::int, r.order_id
    from jsonb_to_recordset(${all}) as r(product_id text, location_id text, quantity bigint, order_id uuid)`)
}

const productsOf = (list: readonly ReservationRow[]) => [...new Set(list.flatMap((row) => row.items.map((item) => item.product_id)))]

/** Locks the stock rows of these products, always by product and location, so that two batches never deadlock. */
async function lockFreeStock(tx: Transaction, productIds: readonly string[]): Promise<FreeStock> {
  const found = await tx.query<{ product_id: string; location_id: string; free: number }>(sql`
    select product_id, location_id, on_hand - reserved as free from stock
    where product_id = any(${productIds}::text[]) order by product_id, location_id for update`)
  const free = new FreeStock()
  for (const row of found) free.set(row.product_id, row.location_id, row.free)
  return free
}

async function readFacts(tx: Transaction, productIds: readonly string[]): Promise<Map<string, ProductFacts>> {
  const found = await tx.query<{
    id: string
    unit_price_minor: number
    currency: string
    weight_grams: number
    status: 'active' | 'discontinued'
  }>(sql`
    select id, unit_price_minor, currency, weight_grams, status from products where id = any(${productIds}::text[])`)
  return new Map(
    found.map((row) => [
      row.id,
      { unitPriceMinor: row.unit_price_minor, currency: row.currency, weightGrams: row.weight_grams, status: row.status },
    ]),
  )
}

async function readReservations(tx: Transaction, orderIds: readonly string[]): Promise<Map<string, ReservationRow>> {
  const found = await tx.query<ReservationRow>(sql`
    select order_id, status, currency, items, committed_locations, refusal_code, refusal_message from reservations
    where order_id = any(${orderIds}::uuid[])`)
  return new Map(found.map((row) => [row.order_id, row]))
}

async function lockReservations(tx: Transaction, orderIds: readonly string[]): Promise<Map<string, ReservationRow>> {
  const found = await tx.query<ReservationRow>(sql`
    select order_id, status, currency, items, committed_locations, refusal_code, refusal_message from reservations
    where order_id = any(${orderIds}::uuid[]) order by order_id for update`)
  return new Map(found.map((row) => [row.order_id, row]))
}

function storedDecision(row: ReservationRow): Answer<Reservation> {
  switch (row.status) {
    case 'held':
    case 'committed':
      return done({ currency: row.currency, items: row.items })
    case 'refused':
      return refused(row.refusal_code ?? 'refused', row.refusal_message ?? '')
    case 'released':
    case 'tombstone':
      return refused('order_released', 'the stock of this order was released')
    default:
      return unforeseen(row.status)
  }
}
