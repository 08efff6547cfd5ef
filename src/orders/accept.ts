import type { PlaceOrderCommand } from '../gen/comanda/v1/orders.ts'
import { type Answer, done, refused } from '../platform/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import { newOrder } from './messages.ts'
import type { Order } from './order.ts'
import * as store from './store.ts'

/** Ids of the products that exist among those asked; throws when inventory can't say. */
export type FindProducts = (ids: string[]) => Promise<ReadonlySet<string>>

export type Accepted = { order: Order; isNew: boolean }

/**
 * Takes orders in, durably: what is answered `done` survives whatever dies next. A repeat (same id, or same idempotency key and
 * body) gets the order that exists; the same key with another body is refused `idempotency_key_reused`, and an order for
 * a product that does not exist `unknown_product`; of both nothing is stored.
 */
export async function acceptOrders(
  db: Database,
  commands: readonly PlaceOrderCommand[],
  around: { leaseMs: number; products: ProductCheck },
): Promise<Answer<Accepted>[]> {
  const unknown = await around.products.unknownIn(commands)
  const fresh = commands.filter((command) => !unknown.has(command.orderId)).map(newOrder)
  const inserted = fresh.length > 0 ? await store.acceptOrders(db, fresh, around.leaseMs) : []
  const times = new Map(inserted.map((row) => [row.id, row]))
  const byId = new Map(fresh.map((order) => [order.id, order]))

  const rest = commands.filter((command) => !times.has(command.orderId))
  const keys = rest.flatMap((command) => command.idempotencyKey || [])
  const [sameId, sameKey] =
    rest.length === 0
      ? [new Map<string, Order>(), new Map<string, Order>()]
      : await Promise.all([
          store.getOrders(
            db,
            rest.map((command) => command.orderId),
          ),
          store.getOrdersByKey(db, keys),
        ])
  const answered = new Set<string>()
  return commands.map((command) => {
    const row = times.get(command.orderId)
    const order = byId.get(command.orderId)
    if (row && order) {
      const isNew = !answered.has(command.orderId)
      answered.add(command.orderId)
      return done({ order: { ...order, created_at: row.created_at, updated_at: row.created_at, due_at: row.due_at }, isNew })
    }
    const existing = sameId.get(command.orderId) ?? sameKey.get(command.idempotencyKey)
    if (!existing) return refused('unknown_product', `there is no product ${unknown.get(command.orderId)}`)
    if (existing.fingerprint !== Buffer.from(command.fingerprint).toString('base64url')) {
      return refused('idempotency_key_reused', 'this Idempotency-Key came with another body before; use a new key for a new order')
    }
    return done({ order: existing, isNew: false })
  })
}

export type ProductCheck = {
  /** By order id: the first product that certainly does not exist. */
  unknownIn(commands: readonly PlaceOrderCommand[]): Promise<Map<string, string>>
}

const KNOWN_AT_MOST = 200_000

/**
 * Remembers which products exist; they are never deleted, so the memory is never wrong. While inventory is down orders
 * are taken all the same: the reserve step decides later.
 */
export function productCheck(findProducts: FindProducts): ProductCheck {
  const known = new Set<string>()
  return {
    async unknownIn(commands) {
      const asked = new Set(commands.flatMap((command) => command.items.map((item) => item.productId)).filter((id) => !known.has(id)))
      if (asked.size === 0) return new Map()
      let found: ReadonlySet<string>
      try {
        found = await findProducts([...asked])
      } catch {
        return new Map()
      }
      if (known.size > KNOWN_AT_MOST) known.clear()
      for (const id of found) known.add(id)
      const missing = commands.flatMap((command): [string, string][] => {
        const item = command.items.find(({ productId }) => asked.has(productId) && !found.has(productId))
        return item ? [[command.orderId, item.productId]] : []
      })
      return new Map(missing)
    },
  }
}
