import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocate, FreeStock, type ProductFacts, type WantedItem } from '../../src/inventory/stock.ts'
import type { Answer } from '../../src/platform/outcome.ts'

const facts = (over: Partial<ProductFacts> = {}): ProductFacts => ({
  unitPriceMinor: 500,
  currency: 'EUR',
  weightGrams: 100,
  status: 'active',
  ...over,
})

type Shelf = Record<string, Record<string, number>>
function freeOf(shelf: Shelf): FreeStock {
  const free = new FreeStock()
  for (const [product, levels] of Object.entries(shelf))
    for (const [location, units] of Object.entries(levels)) free.set(product, location, units)
  return free
}
const productsOf = (...ids: string[]) => new Map(ids.map((id) => [id, facts()]))
const codeOf = (answer: Answer<unknown>) => (answer.kind === 'refused' ? answer.code : answer.kind)
const wants = (quantities: Record<string, number>): WantedItem[] =>
  Object.entries(quantities).map(([productId, quantity]) => ({ productId, quantity }))

/** Locations that an answer takes from. */
const locationsOf = (answer: ReturnType<typeof allocate>) =>
  answer.kind === 'done'
    ? new Set(answer.value.items.flatMap((item) => item.allocations.map((part) => part.location_id)))
    : new Set<string>()

const PRODUCTS = ['p1', 'p2', 'p3']
const shelfArb = (locations: string[]) => {
  const levels = fc.dictionary(fc.constantFrom(...locations), fc.integer({ min: 0, max: 6 }), { maxKeys: locations.length })
  return fc.record({ p1: levels, p2: levels, p3: levels })
}
const itemsArb = fc.array(fc.record({ productId: fc.constantFrom(...PRODUCTS), quantity: fc.integer({ min: 1, max: 8 }) }), {
  minLength: 1,
  maxLength: 4,
})

describe('allocate', () => {
  it('takes all of an order from one location where that is possible, and gives prices and weights', () => {
    const answer = allocate(
      { items: wants({ p1: 2, p2: 1 }), currency: '' },
      productsOf('p1', 'p2'),
      freeOf({ p1: { a: 1, b: 2 }, p2: { a: 5, b: 1 } }),
    )
    expect(answer).toEqual({
      kind: 'done',
      value: {
        currency: 'EUR',
        items: [
          { product_id: 'p1', quantity: 2, unit_price_minor: 500, weight_grams: 100, allocations: [{ location_id: 'b', quantity: 2 }] },
          { product_id: 'p2', quantity: 1, unit_price_minor: 500, weight_grams: 100, allocations: [{ location_id: 'b', quantity: 1 }] },
        ],
      },
    })
  })

  it('checks all items for one reason before it looks at the next reason', () => {
    const products = new Map([
      ['short', facts()],
      ['gone', facts({ status: 'discontinued' })],
      ['foreign', facts({ currency: 'USD' })],
    ])
    const ask = (...ids: string[]) =>
      codeOf(allocate({ items: ids.map((productId) => ({ productId, quantity: 1 })), currency: 'EUR' }, products, new FreeStock()))
    expect(ask('short', 'gone', 'foreign', 'missing')).toBe('unknown_product')
    expect(ask('short', 'gone', 'foreign')).toBe('currency_mismatch')
    expect(ask('short', 'gone')).toBe('product_discontinued')
    expect(ask('short')).toBe('out_of_stock')
  })

  it('takes any one currency when the order names none, but never two', () => {
    const products = new Map([
      ['p1', facts({ currency: 'USD' })],
      ['p2', facts({ currency: 'EUR' })],
    ])
    const shelf = { p1: { a: 9 }, p2: { a: 9 } }
    expect(codeOf(allocate({ items: wants({ p1: 1 }), currency: '' }, products, freeOf(shelf)))).toBe('done')
    expect(codeOf(allocate({ items: wants({ p1: 1, p2: 1 }), currency: '' }, products, freeOf(shelf)))).toBe('currency_mismatch')
    expect(codeOf(allocate({ items: wants({ p1: 1 }), currency: 'EUR' }, products, freeOf(shelf)))).toBe('currency_mismatch')
  })

  it('says how many were wanted and how many there are', () => {
    expect(allocate({ items: wants({ p1: 3 }), currency: '' }, productsOf('p1'), freeOf({ p1: { a: 1, b: 1 } }))).toEqual({
      kind: 'refused',
      code: 'out_of_stock',
      message: 'product p1: 3 wanted, 2 available',
    })
  })

  it('counts a product that is asked for twice in one order together', () => {
    const twice: WantedItem[] = [
      { productId: 'p1', quantity: 3 },
      { productId: 'p1', quantity: 3 },
    ]
    expect(codeOf(allocate({ items: twice, currency: '' }, productsOf('p1'), freeOf({ p1: { a: 5 } })))).toBe('out_of_stock')
    const free = freeOf({ p1: { a: 4, b: 2 } })
    expect(codeOf(allocate({ items: twice, currency: '' }, productsOf('p1'), free))).toBe('done')
    expect(free.total('p1')).toBe(0)
  })

  it('lets the second order of a batch see what the first has taken', () => {
    const free = freeOf({ p1: { a: 1 } })
    const order = { items: wants({ p1: 1 }), currency: '' }
    expect([codeOf(allocate(order, productsOf('p1'), free)), codeOf(allocate(order, productsOf('p1'), free))]).toEqual([
      'done',
      'out_of_stock',
    ])
  })

  it('never takes more than is free, takes exactly what is wanted, and takes all or nothing', () => {
    const orders = fc.array(itemsArb, { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(shelfArb(['a', 'b', 'c', 'd']), orders, (shelf, list) => {
        const free = freeOf(shelf)
        for (const items of list) {
          const before = PRODUCTS.map((product) => free.total(product))
          const answer = allocate({ items, currency: '' }, productsOf(...PRODUCTS), free)
          const after = PRODUCTS.map((product) => free.total(product))
          const wanted = PRODUCTS.map((product) => items.reduce((sum, item) => sum + (item.productId === product ? item.quantity : 0), 0))
          const enough = wanted.every((units, i) => units <= (before[i] ?? 0))
          expect(answer.kind).toBe(enough ? 'done' : 'refused')
          expect(after).toEqual(enough ? before.map((units, i) => units - (wanted[i] ?? 0)) : before)
          for (const product of PRODUCTS) for (const units of free.of(product).values()) expect(units).toBeGreaterThanOrEqual(0)
          if (answer.kind !== 'done') continue
          answer.value.items.forEach((item, i) => {
            expect([item.product_id, item.quantity]).toEqual([items[i]?.productId, items[i]?.quantity])
            expect(item.allocations.reduce((sum, part) => sum + part.quantity, 0)).toBe(item.quantity)
            for (const part of item.allocations) expect(part.quantity).toBeGreaterThan(0)
          })
        }
      }),
    )
  })

  it('takes from the fewest locations that there are (against brute force)', () => {
    const names = ['a', 'b', 'c', 'd', 'e']
    fc.assert(
      fc.property(shelfArb(names), itemsArb, (shelf, items) => {
        const answer = allocate({ items, currency: '' }, productsOf(...PRODUCTS), freeOf(shelf))
        fc.pre(answer.kind === 'done')
        const coveredBy = (set: string[]) =>
          PRODUCTS.every((product) => {
            const wanted = items.reduce((sum, item) => sum + (item.productId === product ? item.quantity : 0), 0)
            return set.reduce((sum, location) => sum + (shelf[product as 'p1'][location] ?? 0), 0) >= wanted
          })
        let fewest = names.length
        for (let bits = 1; bits < 2 ** names.length; bits++) {
          const set = names.filter((_, i) => bits & (1 << i))
          if (set.length < fewest && coveredBy(set)) fewest = set.length
        }
        expect(locationsOf(answer).size).toBe(fewest)
      }),
    )
  })

  it('finds enough also among more locations than it searches exactly', () => {
    const names = Array.from({ length: 14 }, (_, i) => `l${i}`)
    fc.assert(
      fc.property(shelfArb(names), itemsArb, (shelf, items) => {
        const answer = allocate({ items, currency: '' }, productsOf(...PRODUCTS), freeOf(shelf))
        const enough = PRODUCTS.every((product) => {
          const wanted = items.reduce((sum, item) => sum + (item.productId === product ? item.quantity : 0), 0)
          return Object.values(shelf[product as 'p1']).reduce((sum, units) => sum + units, 0) >= wanted
        })
        expect(answer.kind).toBe(enough ? 'done' : 'refused')
      }),
    )
  })

  it('gives the same answer whatever the order in which the locations were read', () => {
    fc.assert(
      fc.property(shelfArb(['a', 'b', 'c']), itemsArb, (shelf, items) => {
        const reversed = Object.fromEntries(
          Object.entries(shelf).map(([product, levels]) => [product, Object.fromEntries(Object.entries(levels).reverse())]),
        )
        const ask = (levels: Shelf) => allocate({ items, currency: '' }, productsOf(...PRODUCTS), freeOf(levels))
        expect(ask(reversed)).toEqual(ask(shelf))
      }),
    )
  })
})
