import type { App } from './dependencies.ts'
import { Problem } from './errors.ts'

const CLOSED = new Problem('not_taking_orders', 'no new orders are taken now; nothing was stored', { retryAfter: 60 })
const ORDERS = new Set(['/orders', '/orders/bulk'])

/** With TAKE_ORDERS=off all goes on but new orders, which are refused before they are read: after a restore, until the books are reconciled. */
export function closedDoor(app: App, takeOrders: 'on' | 'off' = 'on'): void {
  if (takeOrders === 'on') return
  app.addHook('onRequest', (request, _reply, next) => {
    next(request.method === 'POST' && ORDERS.has(request.routeOptions.url ?? '') ? CLOSED : undefined)
  })
}
