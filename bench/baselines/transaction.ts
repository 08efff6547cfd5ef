import type pg from 'pg'
import { newId } from '../../src/platform/ids.ts'
import type { Body } from './monolith.ts'

/** Baseline (a): an order as one transaction, statement by statement, as most teams would write it. */

type Stock = { product_id: string; free: string; unit_price_minor: string; currency: string }

/** Each statement is prepared once per connection, as `pg` does it for named ones. */
const run = (client: pg.PoolClient, name: string, statement: string, values: unknown[]) => client.query({ name, text: statement, values })

export async function inOneTransaction(pool: pg.Pool, body: Body) {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const order = await placeOrder(client, body)
    await client.query('commit')
    return order
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

async function placeOrder(client: pg.PoolClient, { user_id, items, payment_method }: Body) {
  const ids = items.map((one) => one.product_id)
  const { rows } = await run(
    client,
    'lock',
    `select s.product_id, s.on_hand - s.reserved as free, p.unit_price_minor, p.currency from stock s join products p on p.id = s.product_id
     where s.product_id = any($1) order by s.product_id for update of s`,
    [ids],
  )
  const stock = new Map((rows as Stock[]).map((row) => [row.product_id, row]))
  for (const one of items) {
    if (Number(stock.get(one.product_id)?.free ?? 0) < one.quantity) return { rejected: 'out_of_stock' }
  }
  const id = newId()
  const total = items.reduce((sum, one) => sum + one.quantity * Number(stock.get(one.product_id)?.unit_price_minor), 0)
  const priced = JSON.stringify(items.map((one) => ({ ...one, unit_price_minor: Number(stock.get(one.product_id)?.unit_price_minor) })))
  const quantities = items.map((one) => one.quantity)
  const plain = JSON.stringify(items)
  await run(
    client,
    'stock',
    `update stock s set reserved = reserved + d.units from unnest($1::text[], $2::bigint[]) as d(id, units) where s.product_id = d.id`,
    [ids, quantities],
  )
  await run(
    client,
    'order',
    `insert into orders (id, user_id, status, items, currency, total_minor, payment_method) values ($1, $2, 'confirmed', $3, 'EUR', $4, $5)`,
    [id, user_id, priced, total, payment_method],
  )
  await run(
    client,
    'events',
    `insert into order_events (order_id, type, data) values ($1, 'order.accepted', $2), ($1, 'order.confirmed', $3)`,
    [id, JSON.stringify({ user_id }), JSON.stringify({ total_minor: total })],
  )
  await run(client, 'reservation', `insert into reservations (order_id, status, items) values ($1, 'held', $2)`, [id, priced])
  await run(
    client,
    'movements',
    `insert into movements (product_id, location_id, kind, reserved_delta, order_id)
     select d.id, 'madrid', 'reserved', d.units, $3 from unnest($1::text[], $2::bigint[]) as d(id, units)`,
    [ids, quantities, id],
  )
  const ref = `ch_${newId()}`
  await run(client, 'charge', `insert into charges (key, ref, status, amount_minor, currency) values ($1, $2, 'authorised', $3, 'EUR')`, [
    `auth:${id}`,
    ref,
    total,
  ])
  await run(
    client,
    'payment',
    `insert into payments (order_id, status, method, amount_minor, currency, provider_ref) values ($1, 'authorised', $2, $3, 'EUR', $4)`,
    [id, payment_method, total, ref],
  )
  await run(client, 'money', `insert into money_movements (order_id, kind, amount_minor, currency) values ($1, 'authorised', $2, 'EUR')`, [
    id,
    total,
  ])
  await run(
    client,
    'shipment',
    `insert into shipments (order_id, number, status, location_id, carrier, tracking_number, items) values ($1, 1, 'created', 'madrid', 'simulated', $2, $3)`,
    [id, `SIM${id}`, plain],
  )
  return { id, user_id, status: 'confirmed', items: JSON.parse(priced), currency: 'EUR', total_minor: total, payment_method }
}
