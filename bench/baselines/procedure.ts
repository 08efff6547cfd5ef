import type pg from 'pg'
import { newId } from '../../src/platform/ids.ts'
import type { Body } from './monolith.ts'

/** Baseline (b): an order as one call of a stored procedure (procedure.sql). */
export async function inOneCall(pool: pg.Pool, { user_id, items, payment_method }: Body): Promise<object> {
  const ids = items.map((one) => one.product_id)
  const units = items.map((one) => one.quantity)
  const { rows } = await pool.query({
    name: 'place',
    text: 'select place_order($1, $2, $3, $4, $5) as "order"',
    values: [newId(), user_id, payment_method, ids, units],
  })
  return (rows[0] as { order: object }).order
}
