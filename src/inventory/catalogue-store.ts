import { type Answer, done, refused } from '../platform/outcome.ts'
import { type Database, rows, sql, sqlState, type Transaction } from '../platform/postgres.ts'

/** Products, and stock that comes in or is counted. */

export type StockLevel = { location_id: string; on_hand: number; reserved: number }
export type ProductRow = {
  id: string
  name: string
  unit_price_minor: number
  currency: string
  weight_grams: number
  status: 'active' | 'discontinued'
  stock: StockLevel[]
  created_at: Date
}
export type NewProduct = Omit<ProductRow, 'created_at'>
export type Receipt = { receiptId: string; productId: string; locationId: string; quantity: number; reason: string }
export type Count = { productId: string; locationId: string; onHand: number; expectedOnHand: number; reason: string }

/** Products by id; those that don't exist are left out. */
export async function getProducts(db: Pick<Database, 'query'>, ids: readonly string[]): Promise<Map<string, ProductRow>> {
  const found = await db.query<ProductRow>(sql`
    select p.id, p.name, p.unit_price_minor, p.currency, p.weight_grams, p.status, p.created_at, coalesce(s.stock, '[]') as stock
    from products p left join lateral (
      select jsonb_agg(jsonb_build_object('location_id', location_id, 'on_hand', on_hand, 'reserved', reserved) order by location_id) as stock
      from stock where product_id = p.id) s on true
    where p.id = any(${ids}::text[])`)
  return new Map(found.map((row) => [row.id, row]))
}

/** A page of products by id. `availableAtMost` below zero: all. */
export async function listProducts(
  db: Database,
  { after, limit, availableAtMost }: { after: string; limit: number; availableAtMost: number },
): Promise<ProductRow[]> {
  return db.query<ProductRow>(sql`
    select p.id, p.name, p.unit_price_minor, p.currency, p.weight_grams, p.status, p.created_at, coalesce(s.stock, '[]') as stock
    from products p left join lateral (
      select jsonb_agg(jsonb_build_object('location_id', location_id, 'on_hand', on_hand, 'reserved', reserved) order by location_id) as stock,
             sum(on_hand - reserved) as available
      from stock where product_id = p.id) s on true
    where p.id > ${after}::text and (${availableAtMost}::bigint < 0 or coalesce(s.available, 0) <= ${availableAtMost}::bigint)
    order by p.id limit ${limit}::int`)
}

/** Creates products with their first stock. The same product again is done; another one under its id is refused. */
export function createProducts(db: Database, products: readonly NewProduct[]): Promise<Answer<ProductRow>[]> {
  return db.transaction(async (tx) => {
    const created = await tx.query<{ id: string }>(sql`
      insert into products (id, name, unit_price_minor, currency, weight_grams, status)
      select id, name, unit_price_minor, currency, weight_grams, status
      from jsonb_to_recordset(${rows(products)}) as r(id text, name text, unit_price_minor bigint, currency text, weight_grams bigint, status text)
      order by id on conflict (id) do nothing returning id`)
    const isNew = new Set(created.map((row) => row.id))
    const stored = await getProducts(
      tx,
      products.map((product) => product.id),
    )
    const first = products.filter((product) => sameProduct(product, stored.get(product.id) as ProductRow) && isNew.delete(product.id))
    addStock(
      tx,
      first.flatMap(({ id, stock }) =>
        stock.map((level) => ({ productId: id, locationId: level.location_id, quantity: level.on_hand, reason: 'first stock' })),
      ),
    )
    const after =
      first.length > 0
        ? await getProducts(
            tx,
            products.map((product) => product.id),
          )
        : stored
    return products.map((product) => {
      const row = after.get(product.id) as ProductRow
      return sameProduct(product, row) ? done(row) : refused('product_exists', `product ${product.id} exists already, with other data`)
    })
  })
}

const sameProduct = (a: NewProduct, b: ProductRow) =>
  a.name === b.name &&
  a.unit_price_minor === b.unit_price_minor &&
  a.currency === b.currency &&
  a.weight_grams === b.weight_grams &&
  a.status === b.status

/** Adds goods that arrived, once per receipt id. */
export function receiveStock(db: Database, receipts: readonly Receipt[]): Promise<Answer<ProductRow>[]> {
  return db.transaction(async (tx) => {
    const known = await getProducts(
      tx,
      receipts.map((receipt) => receipt.productId),
    )
    const valid = receipts.filter((receipt) => known.has(receipt.productId))
    const fresh = await tx.query<{ receipt_id: string }>(sql`
      insert into receipts (receipt_id, product_id, location_id, quantity)
      select "receiptId", "productId", "locationId", quantity
      from jsonb_to_recordset(${rows(valid)}) as r("receiptId" text, "productId" text, "locationId" text, quantity bigint)
      order by 1 on conflict (receipt_id) do nothing returning receipt_id`)
    const isNew = new Set(fresh.map((row) => row.receipt_id))
    addStock(
      tx,
      valid.filter((receipt) => isNew.delete(receipt.receiptId)),
    )
    const after = await getProducts(
      tx,
      receipts.map((receipt) => receipt.productId),
    )
    return receipts.map((receipt) => {
      const product = after.get(receipt.productId)
      return product ? done(product) : refused('unknown_product', `there is no product ${receipt.productId}`)
    })
  })
}

type Arrival = Omit<Receipt, 'receiptId'>

/** By product and location, in the database's own order, like every lock on stock: JavaScript sorts otherwise than a collation. */
function addStock(tx: Transaction, arrivals: readonly Arrival[]): void {
  if (arrivals.length === 0) return
  const all = rows(arrivals)
  tx.write(sql`
    insert into stock (product_id, location_id, on_hand)
    select "productId", "locationId", sum(quantity)
    from jsonb_to_recordset(${all}) as r("productId" text, "locationId" text, quantity bigint)
    group by 1, 2 order by 1, 2
    on conflict (product_id, location_id) do update set on_hand = stock.on_hand + excluded.on_hand`)
  tx.write(sql`
    insert into movements (product_id, location_id, kind, on_hand_delta, reserved_delta, reason)
    select "productId", "locationId", 'received', quantity, 0, reason
    from jsonb_to_recordset(${all}) as r("productId" text, "locationId" text, quantity bigint, reason text)`)
}

/** Sets the counted stock of one row, if it still is what the caller saw and covers what is reserved. */
export async function adjustStock(db: Database, count: Count): Promise<Answer<ProductRow>> {
  try {
    return await db.transaction(async (tx) => {
      const [row] = await tx.query<{ on_hand: number }>(sql`
        select on_hand from stock where product_id = ${count.productId} and location_id = ${count.locationId} for update`)
      const product = (await getProducts(tx, [count.productId])).get(count.productId)
      if (!product) return refused('unknown_product', `there is no product ${count.productId}`)
      if (!row) return refused('unknown_location', `product ${count.productId} has no stock at ${count.locationId}`)
      if (row.on_hand !== count.expectedOnHand) {
        return refused('stock_changed', `${count.locationId} holds ${row.on_hand}, not ${count.expectedOnHand}: look again, then adjust`)
      }
      tx.write(sql`
        update stock set on_hand = ${count.onHand}::bigint where product_id = ${count.productId} and location_id = ${count.locationId}`)
      tx.write(sql`
        insert into movements (product_id, location_id, kind, on_hand_delta, reserved_delta, reason)
        values (${count.productId}, ${count.locationId}, 'adjusted', ${count.onHand - row.on_hand}::bigint, 0, ${count.reason})`)
      return done((await getProducts(tx, [count.productId])).get(count.productId) as ProductRow)
    })
  } catch (error) {
    if (sqlState(error) === '23514')
      return refused('below_reserved', `${count.onHand} is less than what is reserved at ${count.locationId}`)
    throw error
  }
}
