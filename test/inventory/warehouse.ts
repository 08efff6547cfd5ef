import { randomUUID } from 'node:crypto'
import { createProducts, type NewProduct } from '../../src/inventory/catalogue-store.ts'
import type { ReserveCommand } from '../../src/inventory/store.ts'
import type { Answer } from '../../src/platform/outcome.ts'
import { type Database, sql } from '../../src/platform/postgres.ts'

/** A small warehouse for the tests: products with new ids, and looks at the tables that don't go through the code under test. */

let made = 0

export const product = (stock: Record<string, number> = {}, over: Partial<NewProduct> = {}): NewProduct => ({
  id: `p${String(++made).padStart(5, '0')}`,
  name: 'a thing',
  unit_price_minor: 500,
  currency: 'EUR',
  weight_grams: 100,
  status: 'active',
  stock: Object.entries(stock).map(([location_id, on_hand]) => ({ location_id, on_hand, reserved: 0 })),
  ...over,
})

/** Creates a product with this much on hand by location; answers its id. */
export async function stocked(db: Database, stock: Record<string, number>, over: Partial<NewProduct> = {}): Promise<string> {
  const wanted = product(stock, over)
  await createProducts(db, [wanted])
  return wanted.id
}

/** An order for these quantities by product id. */
export const order = (quantities: Record<string, number>, orderId: string = randomUUID()): ReserveCommand => ({
  orderId,
  currency: '',
  items: Object.entries(quantities).map(([productId, quantity]) => ({ productId, quantity })),
})

export const codeOf = (answer: Answer<unknown> | undefined): string | undefined => (answer?.kind === 'refused' ? answer.code : answer?.kind)

/** What a product's rows say, by location: [on hand, reserved]. */
export async function levels(db: Database, productId: string): Promise<Record<string, [number, number]>> {
  const found = await db.query<{ location_id: string; on_hand: number; reserved: number }>(sql`
    select location_id, on_hand, reserved from stock where product_id = ${productId} order by location_id`)
  return Object.fromEntries(found.map((row) => [row.location_id, [row.on_hand, row.reserved]]))
}

/** Rows of stock that are not the sum of their movements, or where more is reserved than reservations hold. Must be empty. */
export async function drift(db: Database): Promise<unknown[]> {
  const [movements, holdings] = await Promise.all([
    db.query(sql`
      select product_id, location_id, s.on_hand, s.reserved, m.on_hand as moved, m.reserved as held
      from stock s full join (
        select product_id, location_id, sum(on_hand_delta)::bigint as on_hand, sum(reserved_delta)::bigint as reserved
        from (
          select product_id, location_id, on_hand_delta, reserved_delta from movements
          union all select product_id, location_id, on_hand, reserved from opening_balances) ledger group by 1, 2) m using (product_id, location_id)
      where (s.on_hand, s.reserved) is distinct from (m.on_hand, m.reserved)`),
    db.query(sql`
      select product_id, location_id, s.reserved, r.held
      from stock s left join (
        select i ->> 'product_id' as product_id, a ->> 'location_id' as location_id, sum((a ->> 'quantity')::bigint)::bigint as held
        from reservations v, jsonb_array_elements(v.items) i, jsonb_array_elements(i -> 'allocations') a
        where v.status = 'held' and not (a ->> 'location_id' = any(v.committed_locations)) group by 1, 2) r using (product_id, location_id)
      where s.reserved <> coalesce(r.held, 0)`),
  ])
  return [...movements, ...holdings]
}
