import type { Northwind, NorthwindOrder, NorthwindProduct } from './files.ts'

export type Expected = { outcome: 'confirmed'; totalMinor: number } | { outcome: 'rejected'; code: string }
export type Model = { orders: Expected[] /** Units left per product, by Northwind's id. */; left: Map<string, number> }

/**
 * What must come out when the orders are placed one after the other: written again from the rules of docs/decisions/0006, and not
 * shared with the services, so that it can find their mistakes. An order gets all its items or none.
 */
export function expectedOf({ products, orders }: Northwind): Model {
  const catalogue = new Map(products.map((product) => [product.id, product]))
  const left = new Map(products.map((product) => [product.id, product.unitsInStock]))
  return { orders: orders.map((order) => expectedOrder(order, catalogue, left)), left }
}

function expectedOrder(order: NorthwindOrder, catalogue: Map<string, NorthwindProduct>, left: Map<string, number>): Expected {
  const lines = order.items.map((item) => ({ ...item, product: catalogue.get(item.productId), left: left.get(item.productId) ?? 0 }))
  if (lines.some((line) => !line.product)) return { outcome: 'rejected', code: 'unknown_product' }
  if (lines.some((line) => line.product?.isDiscontinued)) return { outcome: 'rejected', code: 'product_discontinued' }
  if (lines.some((line) => line.quantity > line.left)) return { outcome: 'rejected', code: 'out_of_stock' }
  let totalMinor = order.freightMinor
  for (const line of lines) {
    left.set(line.productId, line.left - line.quantity)
    totalMinor += amountOf(line.quantity * (line.product?.unitPriceMinor ?? 0), line.discountBasisPoints)
  }
  return { outcome: 'confirmed', totalMinor }
}

/** Less the discount, rounded half up: whole cents and the rest are kept apart, so no number gets large. */
function amountOf(grossMinor: number, discountBasisPoints: number): number {
  const payable = grossMinor * (10_000 - discountBasisPoints)
  const rest = payable % 10_000
  return (payable - rest) / 10_000 + (rest >= 5_000 ? 1 : 0)
}
