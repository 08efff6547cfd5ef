import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { adjustStock, receiveStock } from '../../src/inventory/catalogue-store.ts'
import type { Reservation } from '../../src/inventory/stock.ts'
import { commitStock, releaseStock, reserveStock } from '../../src/inventory/store.ts'
import { type Database, openDatabase } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { codeOf, drift, levels, stocked } from './warehouse.ts'

/** Random histories on the real database, against a model that knows no SQL. */

let database: TestDatabase
let db: Database
let other: Database
beforeAll(async () => {
  database = await testDatabase('inventory')
  db = database.db
  other = openDatabase(database.url, { max: 4 })
})
afterAll(async () => {
  await other.close()
  await database.drop()
})

const LOCATIONS = ['east', 'west']
const ORDERS = 6

type Step =
  | { kind: 'reserve'; order: number; quantities: number[] }
  | { kind: 'release'; order: number }
  | { kind: 'commit'; order: number; locations: string[] }
  | { kind: 'receive'; product: number; location: string; quantity: number; receipt: number }
  | { kind: 'adjust'; product: number; location: string; by: number; stale: boolean }

const order = fc.integer({ min: 0, max: ORDERS - 1 })
const product = fc.integer({ min: 0, max: 1 })
const location = fc.constantFrom(...LOCATIONS)
const stepArb: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('reserve' as const),
      order,
      quantities: fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 1, max: 4 })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const), order }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('commit' as const), order, locations: fc.subarray(LOCATIONS, { minLength: 1 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('receive' as const),
      product,
      location,
      quantity: fc.integer({ min: 1, max: 5 }),
      receipt: fc.integer({ min: 0, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('adjust' as const),
      product,
      location,
      by: fc.integer({ min: -4, max: 3 }),
      stale: fc.boolean(),
    }),
  },
)

/** One run: its products, orders and receipts have ids of their own. */
async function world() {
  const products = [await stocked(db, { east: 4, west: 2 }), await stocked(db, { east: 3 })]
  const orders = Array.from({ length: ORDERS }, () => randomUUID())
  const receipts = Array.from({ length: 4 }, () => randomUUID())
  return { products, orders, receipts }
}
type World = Awaited<ReturnType<typeof world>>

/** What should be, from the words of the promises. */
class Model {
  readonly onHand = new Map<string, number>()
  readonly reserved = new Map<string, number>()
  readonly decisions = new Map<string, { state: 'held' | 'refused' | 'released' | 'committed'; value?: Reservation; gone: Set<string> }>()
  readonly receipts = new Set<string>()

  add(map: Map<string, number>, key: string, units: number) {
    map.set(key, (map.get(key) ?? 0) + units)
  }
  free(product: string) {
    return [...this.onHand].reduce(
      (sum, [key, units]) => sum + (key.startsWith(`${product} `) ? units - (this.reserved.get(key) ?? 0) : 0),
      0,
    )
  }
  parts(value: Reservation) {
    return value.items.flatMap((item) => item.allocations.map((part) => ({ ...part, key: `${item.product_id} ${part.location_id}` })))
  }
  hold(value: Reservation, sign: 1 | -1) {
    for (const part of this.parts(value)) this.add(this.reserved, part.key, sign * part.quantity)
  }
}

const wantedOf = (step: Step & { kind: 'reserve' }, { products, orders }: World) => ({
  orderId: orders[step.order] as string,
  currency: '',
  items: step.quantities.flatMap((quantity, i) => (quantity > 0 ? [{ productId: products[i] as string, quantity }] : [])),
})

async function follow(step: Step, w: World, model: Model): Promise<void> {
  const orderId = 'order' in step ? (w.orders[step.order] as string) : ''
  const known = model.decisions.get(orderId)
  switch (step.kind) {
    case 'reserve': {
      const command = wantedOf(step, w)
      const [answer] = await reserveStock(db, [command])
      if (known) {
        expect(answer).toEqual(
          known.state === 'held' || known.state === 'committed'
            ? { kind: 'done', value: known.value }
            : { kind: 'refused', code: known.state === 'released' ? 'order_released' : 'out_of_stock', message: expect.any(String) },
        )
        return
      }
      const enough = command.items.every((item) => model.free(item.productId) >= item.quantity)
      expect(codeOf(answer)).toBe(enough ? 'done' : 'out_of_stock')
      if (answer?.kind !== 'done') return void model.decisions.set(orderId, { state: 'refused', gone: new Set() })
      model.decisions.set(orderId, { state: 'held', value: answer.value, gone: new Set() })
      model.hold(answer.value, 1)
      return
    }
    case 'release': {
      const answer = codeOf((await releaseStock(db, [orderId]))[0])
      expect(answer).toBe(known && known.gone.size > 0 ? 'stock_committed' : 'done')
      if (!known) model.decisions.set(orderId, { state: 'released', gone: new Set() })
      else if (known.state === 'held' && known.gone.size === 0) {
        model.hold(known.value as Reservation, -1)
        known.state = 'released'
      }
      return
    }
    case 'commit': {
      const answer = codeOf((await commitStock(db, [{ orderId, locationIds: step.locations }]))[0])
      const ok = known?.state === 'held' || known?.state === 'committed'
      expect(answer).toBe(ok ? 'done' : 'nothing_reserved')
      if (!ok || !known) return
      const leaving = model
        .parts(known.value as Reservation)
        .filter((part) => step.locations.includes(part.location_id) && !known.gone.has(part.location_id))
      for (const part of leaving) for (const map of [model.onHand, model.reserved]) model.add(map, part.key, -part.quantity)
      for (const part of leaving) known.gone.add(part.location_id)
      return
    }
    case 'receive': {
      const [receiptId, productId] = [w.receipts[step.receipt] as string, w.products[step.product] as string]
      await receiveStock(db, [{ receiptId, productId, locationId: step.location, quantity: step.quantity, reason: 'delivery' }])
      if (!model.receipts.has(receiptId)) model.add(model.onHand, `${productId} ${step.location}`, step.quantity)
      model.receipts.add(receiptId)
      return
    }
    case 'adjust': {
      const productId = w.products[step.product] as string
      const key = `${productId} ${step.location}`
      const now = model.onHand.get(key)
      const onHand = Math.max(0, (now ?? 0) + step.by)
      const answer = await adjustStock(db, {
        productId,
        locationId: step.location,
        onHand,
        expectedOnHand: (now ?? 0) + (step.stale ? 1 : 0),
        reason: 'counted',
      })
      const expected =
        now === undefined
          ? 'unknown_location'
          : step.stale
            ? 'stock_changed'
            : onHand < (model.reserved.get(key) ?? 0)
              ? 'below_reserved'
              : 'done'
      expect(codeOf(answer)).toBe(expected)
      if (expected === 'done') model.onHand.set(key, onHand)
      return
    }
    default:
      return step satisfies never
  }
}

describe('a random history of stock', () => {
  it('one command after the other ends as the model says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArb, { maxLength: 25 }), async (steps) => {
        const w = await world()
        const model = new Model()
        for (const [i, shelf] of [{ east: 4, west: 2 }, { east: 3 }].entries())
          for (const [place, units] of Object.entries(shelf)) model.add(model.onHand, `${w.products[i]} ${place}`, units)
        for (const step of steps) await follow(step, w, model)
        for (const productId of w.products) {
          for (const [place, pair] of Object.entries(await levels(db, productId))) {
            const key = `${productId} ${place}`
            expect([key, ...pair]).toEqual([key, model.onHand.get(key) ?? 0, model.reserved.get(key) ?? 0])
          }
        }
      }),
      { numRuns: 40 },
    )
    expect(await drift(db)).toEqual([])
  }, 60_000)

  it('all commands at once from two connections leave stock that is the sum of its movements', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArb, { minLength: 8, maxLength: 30 }), async (steps) => {
        const w = await world()
        const answers = steps.map(async (step, i) => {
          const on = i % 2 ? db : other
          const orderId = 'order' in step ? (w.orders[step.order] as string) : ''
          if (step.kind === 'reserve') await reserveStock(on, [wantedOf(step, w)])
          if (step.kind === 'release') await releaseStock(on, [orderId])
          if (step.kind === 'commit') await commitStock(on, [{ orderId, locationIds: step.locations }])
          if (step.kind === 'receive') {
            await receiveStock(on, [
              {
                receiptId: w.receipts[step.receipt] as string,
                productId: w.products[step.product] as string,
                locationId: step.location,
                quantity: step.quantity,
                reason: '',
              },
            ])
          }
        })
        await Promise.all(answers)
        expect(await drift(db)).toEqual([])
        // Whatever came first: released for good means that nothing is held.
        await releaseStock(db, w.orders)
        expect(await drift(db)).toEqual([])
      }),
      { numRuns: 30 },
    )
  }, 60_000)
})
