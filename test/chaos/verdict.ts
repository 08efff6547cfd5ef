import pg from 'pg'
import type { Written } from './journal.ts'
import type { Body } from './shopping.ts'

/** Holds what the customers were told against what the orders database says in the end. Shares no code with the product. */

export type Row = {
  id: string
  idempotency_key: string | null
  user_id: string
  status: string
  work: string | null
  items: { product_id: string; quantity: number }[]
}
/** Units of a product that came in by our deliveries, as inventory has them in two places. */
export type Arrived = { product_id: string; by_receipts: number; by_movements: number }
/** What is wrong, by the sentence it breaks. */
export type Findings = Map<string, string[]>

/** Whereto a customer may see an order go; by what way, is the product's own business. */
const AFTER: Record<string, readonly string[]> = {
  pending: ['pending', 'confirmed', 'dispatched', 'delivered', 'rejected', 'cancelled'],
  confirmed: ['confirmed', 'dispatched', 'delivered', 'cancelled'],
  dispatched: ['dispatched', 'delivered'],
  delivered: ['delivered'],
  rejected: ['rejected'],
  cancelled: ['cancelled'],
}

export const readOrders = (url: string) => read<Row>(url, 'select id, idempotency_key, user_id, status, work, items from orders')

/** By product: units that came in by receipts, and by movements. */
export const readArrivals = (url: string) =>
  read<Arrived>(
    url,
    `select product_id, coalesce(r.units, 0)::int as by_receipts, coalesce(m.units, 0)::int as by_movements
     from (select product_id, sum(on_hand_delta) as units from movements where kind = 'received' and reason = 'chaos' group by 1) m
     full join (select product_id, sum(quantity) as units from receipts group by 1) r using (product_id)`,
  )

async function read<T extends pg.QueryResultRow>(url: string, text: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<T>(text)).rows
  } finally {
    await client.end()
  }
}

type Books = { journal: readonly Written[]; orders: readonly Row[]; arrivals: readonly Arrived[] }

export function judge({ journal, orders, arrivals }: Books): Findings {
  const findings: Findings = new Map()
  const find = (sentence: string, example: string) => void findings.set(sentence, [...(findings.get(sentence) ?? []), example])
  const byId = new Map(orders.map((order) => [order.id, order]))
  judgeAnswers({ journal, orders, byId, find })
  judgeWays({ journal, byId, find })
  judgeDeeds({ journal, byId, find })
  judgeArrivals({ journal, arrivals, find })
  return findings
}

type Case = { journal: readonly Written[]; byId: ReadonlyMap<string, Row>; find(sentence: string, example: string): void }

/** Each key, and what was answered to it. */
function judgeAnswers({ journal, orders, byId, find }: Case & { orders: readonly Row[] }): void {
  const sent = new Map<string, Body>()
  const idOfKey = new Map<string, string>()
  const storedNothing = new Set<string>()
  for (const entry of journal) {
    if (entry.kind === 'sends' && !sent.has(entry.key)) sent.set(entry.key, entry.body as Body)
    if (entry.kind !== 'answered') continue
    const { key, order_id } = entry
    if (!order_id) {
      if (entry.code !== 'idempotency_key_reused') storedNothing.add(key)
      if (!['idempotency_key_reused', 'unknown_product'].includes(entry.code ?? ''))
        find('no good order is called a bad request', `${key} was answered ${entry.status} ${entry.code}`)
      continue
    }
    const before = idOfKey.get(key)
    if (before && before !== order_id) find('a key has one order', `${key} was answered with ${before} and with ${order_id}`)
    idOfKey.set(key, order_id)
    const order = byId.get(order_id)
    if (!order) find('an answered order is there', `${order_id}, answered ${entry.status} to ${key} at ${entry.at}`)
    else if (order.idempotency_key !== key) find('an answered order has its key', `${order_id} has ${order.idempotency_key}, not ${key}`)
  }
  for (const { id, idempotency_key, status, work, user_id, items } of orders) {
    if (status === 'pending' || work !== null) find('every order is final', `${id} is ${status}, with ${work} still to do`)
    const body = sent.get(idempotency_key ?? '')
    if (!body) find('every order was sent by somebody', `${id} has the key ${idempotency_key}`)
    else if (wish(body) !== wish({ user_id, items })) find('an order is what was sent', `${id}: ${wish({ user_id, items })}`)
    // A repeat may be taken while inventory can't say that there is no such product; it then refuses it.
    if (storedNothing.has(idempotency_key ?? '') && status !== 'rejected' && status !== 'cancelled')
      find('a refused request is never filled', `${id} with the key ${idempotency_key} is ${status}`)
  }
}

const wish = ({ user_id, items }: Pick<Body, 'user_id' | 'items'>) =>
  `${user_id}: ${items.map(({ product_id, quantity }) => `${quantity} ${product_id}`).join(', ')}`

/** The way of each order: of two looks, one after the other, the later may not see an earlier status. */
function judgeWays({ journal, byId, find }: Case): void {
  const looks = new Map<string, { status: string; from: number; until: number }[]>()
  for (const entry of journal) {
    if ((entry.kind !== 'answered' && entry.kind !== 'saw') || !entry.order_id) continue
    const look = { status: entry.order_status ?? '', from: entry.from, until: entry.until }
    looks.set(entry.order_id, [...(looks.get(entry.order_id) ?? []), look])
  }
  for (const [id, list] of looks) {
    const end = byId.get(id)
    const all = end ? [...list, { status: end.status, from: Infinity, until: Infinity }] : list
    for (const [i, later] of all.entries()) {
      const wrong = all.slice(0, i).find((earlier) => earlier.until <= later.from && !AFTER[earlier.status]?.includes(later.status))
      if (wrong) find('statuses move only forward', `${id} was ${wrong.status}, and ${later.status} after that`)
    }
  }
}

/** What was done for a customer stays done. */
function judgeDeeds({ journal, byId, find }: Case): void {
  for (const entry of journal) {
    if (entry.kind !== 'told' || entry.status !== 200 || entry.what === 'receive') continue
    const order = byId.get(entry.what === 'cancel' ? entry.id : entry.id.slice(0, 36))
    const isSo = entry.what === 'cancel' ? order?.status === 'cancelled' : ['dispatched', 'delivered'].includes(order?.status ?? '')
    if (!isSo)
      find('what was done stays done', `${entry.what} of ${entry.id} was answered 200, and the order is ${order?.status ?? 'gone'}`)
  }
}

/** Goods are counted once, however often they were reported. All that was asked for has been answered by now. */
function judgeArrivals({ journal, arrivals, find }: Pick<Case, 'journal' | 'find'> & { arrivals: readonly Arrived[] }): void {
  const reported = new Map<string, { product: string; quantity: number }>()
  for (const entry of journal) {
    if (entry.kind !== 'asks' || entry.what !== 'receive') continue
    const { receipt_id, quantity } = entry.body as { receipt_id: string; quantity: number }
    reported.set(receipt_id, { product: entry.id, quantity })
  }
  const units = new Map<string, number>()
  for (const { product, quantity } of reported.values()) units.set(product, (units.get(product) ?? 0) + quantity)
  for (const product_id of new Set([...units.keys(), ...arrivals.map((one) => one.product_id)])) {
    const { by_receipts = 0, by_movements = 0 } = arrivals.find((one) => one.product_id === product_id) ?? {}
    const wanted = units.get(product_id) ?? 0
    if (by_receipts !== wanted || by_movements !== wanted)
      find('goods are counted once', `${product_id}: ${wanted} came in, ${by_receipts} by receipts, ${by_movements} by movements`)
  }
}
