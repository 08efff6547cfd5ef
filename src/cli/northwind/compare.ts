import type { Answered, Result } from '../batch/result.ts'
import { money } from '../table.ts'
import type { ProductJson } from '../wire.ts'
import { CURRENCY, productId } from './convert.ts'
import type { Northwind } from './files.ts'
import type { Expected, Model } from './model.ts'

/** What the server made of an order, as far as it is compared. */
export type Actual = { outcome: string; code: string | null; totalMinor: number | null; shipped: Map<string, number> }

export function actualOf(result: Result, answered: Answered | undefined): Actual {
  const shipped = new Map<string, number>()
  for (const item of answered?.order?.shipments.flatMap((shipment) => shipment.items) ?? []) {
    shipped.set(item.product_id, (shipped.get(item.product_id) ?? 0) + item.quantity)
  }
  return { outcome: result.outcome, code: result.code, totalMinor: result.total_minor, shipped }
}

/** Every order where server and model differ, and every product whose stock does, as sentences. */
export function differences({
  northwind,
  model,
  actual,
  products,
}: {
  northwind: Northwind
  model: Model
  actual: Map<number, Actual>
  products: ProductJson[]
}): string[] {
  const ofOrders = northwind.orders.flatMap((order, i) => {
    const expected = model.orders[i] as Expected
    const found = actual.get(i + 1)
    if (!found) return [`order ${order.id}: expected ${words(expected)}, but it was not sent`]
    const isSame = expected.outcome === 'confirmed' ? found.totalMinor === expected.totalMinor : found.code === expected.code
    if (found.outcome !== expected.outcome || !isSame) return [`order ${order.id}: expected ${words(expected)}, got ${foundWords(found)}`]
    if (expected.outcome === 'rejected') return []
    const unshipped = order.items.filter((item) => found.shipped.get(productId(item.productId)) !== item.quantity)
    return unshipped.map(
      (item) =>
        `order ${order.id}: ${item.quantity} of ${productId(item.productId)} ordered, ${found.shipped.get(productId(item.productId)) ?? 0} in its shipments`,
    )
  })
  const byId = new Map(products.map((product) => [product.id, product]))
  const ofStock = northwind.products.flatMap((product) => {
    const available = byId.get(productId(product.id))?.available
    const expected = model.left.get(product.id)
    return available === expected
      ? []
      : [`product ${productId(product.id)}: expected ${expected} available, got ${available ?? 'no such product'}`]
  })
  return [...ofOrders, ...ofStock]
}

const words = (expected: Expected) =>
  expected.outcome === 'confirmed' ? `confirmed for ${money(expected.totalMinor, CURRENCY)}` : `rejected ${expected.code}`
const foundWords = (found: Actual) =>
  `${found.outcome}${found.code ? ` ${found.code}` : ''}${found.totalMinor !== null && !found.code ? ` for ${money(found.totalMinor, CURRENCY)}` : ''}`
