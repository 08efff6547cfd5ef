import { buildGateway } from '../../src/gateway/app.ts'
import type { Clients } from '../../src/gateway/clients.ts'
import { newOrder, orderMessage } from '../../src/orders/messages.ts'
import { silentLog } from '../../src/platform/log.ts'
import { done } from '../../src/platform/outcome.ts'

/** The gateway with nothing behind it: every order is confirmed at once, and nothing is stored. Sends its address to its parent. */
const clients: Pick<Clients, 'placeOrder'> = {
  async placeOrder(command) {
    const order = { ...orderMessage(newOrder(command)), status: 'confirmed', createdAt: new Date(), updatedAt: new Date() }
    return { accepted: done(order), ended: Promise.resolve(order) }
  },
}
const app = await buildGateway({ clients: clients as Clients, waitMs: 5_000, ordersAtOnce: 1_000, log: silentLog() })
process.send?.(await app.listen({ host: '127.0.0.1', port: 0 }))
