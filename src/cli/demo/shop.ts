import type { Api } from '../api.ts'
import { Failure } from '../failure.ts'
import { readPages } from '../pages.ts'
import type { OrderJson, ProductJson } from '../wire.ts'

/** What the demo needs of the running system: a product with stock, a fault, the queue, and in the end its orders. */

const PRODUCT = 'demo-outage'
const LOCATION = 'demo'

/** A product of the demo's own with stock for so many orders, so that the catalogue's is left alone. @returns its id. */
export async function stockFor(api: Api, { orders, receiptId }: { orders: number; receiptId: string }): Promise<string> {
  const found = await api.send({ method: 'GET', path: `/products/${PRODUCT}` })
  if (found.status === 404) {
    const stock = [{ location_id: LOCATION, on_hand: orders }]
    await api.post('/products', { id: PRODUCT, name: 'Product of the outage demo', unit_price_minor: 1_000, currency: 'EUR', stock })
    return PRODUCT
  }
  const missing = orders - ((found.body as Partial<ProductJson>).available ?? 0)
  const receipt = { location_id: LOCATION, quantity: missing, receipt_id: receiptId, reason: 'comanda demo outage' }
  if (missing > 0) await api.post(`/products/${PRODUCT}/receive`, receipt)
  return PRODUCT
}

/** @throws when not all services are there, or faults on purpose are off. */
export async function requireReady(api: Api): Promise<void> {
  const { body } = await api.send({ method: 'GET', path: '/readyz' })
  const { services = {} } = (body ?? {}) as { services?: Record<string, string> }
  const notReady = Object.entries(services).filter(([, state]) => state !== 'ready')
  if (notReady.length > 0) throw new Failure(`not all is well yet: ${notReady.map(([name, state]) => `${name} ${state}`).join(', ')}`)
  const { faults } = await api.get<{ faults: { service: string }[] }>('/faults')
  if (faults.length > 0) throw new Failure('faults are set already: "comanda fault list" shows them, "comanda fault clear" clears them')
}

export type Outage = { service: string; kind: 'unavailable' | 'crash-before'; forMs: number }

/** Takes the service down; it comes back by itself. */
export async function takeDown(api: Api, { service, kind, forMs }: Outage): Promise<void> {
  await api.post('/faults', { service, kind, for_ms: Math.max(1, Math.round(forMs)) })
}

/** How many orders wait, whoever placed them. */
export async function readWaiting(api: Api): Promise<number> {
  const { parked } = await api.get<{ parked: { count: number }[] }>('/queue')
  return parked.reduce((sum, group) => sum + group.count, 0)
}

/** All orders of the demo, by id. */
export async function readOrders(api: Api, userId: string): Promise<Map<string, OrderJson>> {
  const filters = { user_id: userId }
  const found = await readPages<OrderJson>(api, { path: '/orders', rows: 'orders', cursor: 'before', limit: 1_000_000, filters })
  return new Map(found.map((order) => [order.id, order]))
}
