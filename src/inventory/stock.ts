import { type Answer, done, refused } from '../platform/outcome.ts'

/** Rules of stock, without I/O: which location gives what, and when an order is refused. */

export type ProductFacts = { unitPriceMinor: number; currency: string; weightGrams: number; status: 'active' | 'discontinued' }
export type Allocation = { location_id: string; quantity: number }
export type ReservedItem = {
  product_id: string
  quantity: number
  unit_price_minor: number
  weight_grams: number
  allocations: Allocation[]
}
export type Reservation = { currency: string; items: ReservedItem[] }
export type WantedItem = { productId: string; quantity: number }

/** Free units by product and location. `allocate` takes from it, so that the next order of the batch sees less. */
export class FreeStock {
  readonly #free = new Map<string, Map<string, number>>()

  set(productId: string, locationId: string, units: number): void {
    const byLocation = this.#free.get(productId) ?? new Map<string, number>()
    this.#free.set(productId, byLocation.set(locationId, units))
  }

  of(productId: string): ReadonlyMap<string, number> {
    return this.#free.get(productId) ?? new Map()
  }

  total(productId: string): number {
    let sum = 0
    for (const units of this.of(productId).values()) sum += units
    return sum
  }

  take(productId: string, { location_id, quantity }: Allocation): void {
    this.set(productId, location_id, (this.of(productId).get(location_id) ?? 0) - quantity)
  }
}

/**
 * Reserves all items or none, from as few locations as can be, because each location is a shipment.
 * Checks, in this order, each over all items: `unknown_product`, `currency_mismatch`, `product_discontinued`, `out_of_stock`.
 *
 * @param currency the order's currency; empty for whatever one currency the products have.
 */
export function allocate(
  { items, currency }: { items: readonly WantedItem[]; currency: string },
  products: ReadonlyMap<string, ProductFacts>,
  free: FreeStock,
): Answer<Reservation> {
  const missing = items.find((item) => !products.has(item.productId))
  if (missing) return refused('unknown_product', `there is no product ${missing.productId}`)
  const facts = items.map((item) => products.get(item.productId) as ProductFacts)

  const wanted = currency || (facts[0]?.currency ?? '')
  const foreign = facts.findIndex((product) => product.currency !== wanted)
  if (foreign >= 0) {
    return refused(
      'currency_mismatch',
      `product ${items[foreign]?.productId} is sold in ${facts[foreign]?.currency}, the order is in ${wanted}`,
    )
  }
  const gone = facts.findIndex((product) => product.status === 'discontinued')
  if (gone >= 0) return refused('product_discontinued', `product ${items[gone]?.productId} is not sold any more`)
  const perProduct = sumByProduct(items)
  const short = perProduct.find((item) => free.total(item.productId) < item.quantity)
  if (short) {
    return refused('out_of_stock', `product ${short.productId}: ${short.quantity} wanted, ${free.total(short.productId)} available`)
  }

  // From here on nothing is refused.
  const locations = fewestLocations(perProduct, free)
  const reserved = items.map((item, i) => ({
    product_id: item.productId,
    quantity: item.quantity,
    unit_price_minor: facts[i]?.unitPriceMinor ?? 0,
    weight_grams: facts[i]?.weightGrams ?? 0,
    allocations: takeFrom(item, locations, free),
  }))
  return done({ currency: wanted, items: reserved })
}

/** An order may name a product in more than one item; what it needs of it is their sum. */
function sumByProduct(items: readonly WantedItem[]): WantedItem[] {
  const sums = new Map<string, number>()
  for (const { productId, quantity } of items) sums.set(productId, (sums.get(productId) ?? 0) + quantity)
  return [...sums].map(([productId, quantity]) => ({ productId, quantity }))
}

function takeFrom(item: WantedItem, locations: readonly string[], free: FreeStock): Allocation[] {
  const allocations: Allocation[] = []
  let left = item.quantity
  for (const location_id of locations) {
    const quantity = Math.min(left, free.of(item.productId).get(location_id) ?? 0)
    if (quantity === 0) continue
    const allocation = { location_id, quantity }
    free.take(item.productId, allocation)
    allocations.push(allocation)
    left -= quantity
  }
  if (left > 0) throw new Error(`allocation of ${item.productId} is ${left} short`)
  return allocations
}

/** Past this many locations the exact search (2^n sets) gives way to "the location that adds most, again and again". */
const EXACT_UP_TO = 8

/** The fewest locations that together hold all items; among equals the first by name. Needs enough stock in total. */
function fewestLocations(items: readonly WantedItem[], free: FreeStock): string[] {
  const all = [
    ...new Set(items.flatMap((item) => [...free.of(item.productId)].filter(([, units]) => units > 0).map(([location]) => location))),
  ].sort()
  const covers = (set: readonly string[]) => items.every((item) => unitsIn(set, item, free) >= item.quantity)
  const one = all.find((location) => covers([location]))
  if (one !== undefined) return [one]
  if (all.length > EXACT_UP_TO) return greedy(items, all, free)
  for (let size = 2; size <= all.length; size++) {
    const found = subsets(all, size).find(covers)
    if (found) return found
  }
  return all
}

function unitsIn(locations: readonly string[], item: WantedItem, free: FreeStock): number {
  return locations.reduce((sum, location) => sum + (free.of(item.productId).get(location) ?? 0), 0)
}

function subsets(from: readonly string[], size: number): string[][] {
  if (size === 0) return [[]]
  return from.flatMap((first, i) => subsets(from.slice(i + 1), size - 1).map((rest) => [first, ...rest]))
}

function greedy(items: readonly WantedItem[], all: readonly string[], free: FreeStock): string[] {
  const chosen: string[] = []
  const covered = (set: readonly string[]) => items.reduce((sum, item) => sum + Math.min(item.quantity, unitsIn(set, item, free)), 0)
  const wanted = items.reduce((sum, item) => sum + item.quantity, 0)
  while (covered(chosen) < wanted) {
    const rest = all.filter((location) => !chosen.includes(location))
    const best = rest.reduce((a, b) => (covered([...chosen, b]) > covered([...chosen, a]) ? b : a))
    chosen.push(best)
  }
  return chosen
}
