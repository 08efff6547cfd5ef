import { accessService } from '../access/service.ts'
import { openBroker } from '../broker/open.ts'
import { AccessServiceDefinition } from '../gen/comanda/v1/access.ts'
import { InventoryServiceDefinition } from '../gen/comanda/v1/inventory.ts'
import { OrdersServiceDefinition } from '../gen/comanda/v1/orders.ts'
import { PrivacyServiceDefinition } from '../gen/comanda/v1/privacy.ts'
import { ShippingServiceDefinition } from '../gen/comanda/v1/shipping.ts'
import { connectGrpc, served, serveGrpc } from '../platform/grpc.ts'
import { ensureSchema } from '../platform/migrate.ts'
import { openDatabase } from '../platform/postgres.ts'
import type { StartService } from '../platform/service.ts'
import { productCheck } from './accept.ts'
import { startCoordinator } from './coordinator.ts'
import { startDrain } from './drain.ts'
import { eraseShipmentsAt, startErasing } from './erase.ts'
import { openFallbackQueue } from './fallback-queue.ts'
import { startInbox } from './inbox.ts'
import { watchOrders } from './metrics.ts'
import { privacyService } from './privacy.ts'
import { ordersService } from './service.ts'
import { connectServices } from './services.ts'

/** How long a stopping process waits for the orders in its hands; what is left is taken over when the lease runs out. */
const DRAIN_MS = 8_000
const BROKER_CLOSE_MS = 1_000

export const startOrders: StartService = async ({ config, databaseUrl, log }) => {
  await ensureSchema('orders', databaseUrl, config.migrate)
  const { leaseMs } = config
  const db = openDatabase(databaseUrl, { max: 8, applicationName: 'comanda orders' })
  const services = connectServices(config.grpc, log)
  const catalogue = connectGrpc(InventoryServiceDefinition, config.grpc.addresses.inventory, 1_000)
  const products = productCheck(
    async (productIds) => new Set((await catalogue.getProducts({ productIds })).products.map((product) => product.id)),
  )
  const around = { now: () => new Date(), random: Math.random, limits: config.limits }
  const { health } = services
  const broker = openBroker(config, log)
  const queue = openFallbackQueue({ broker, log })
  const coordinator = startCoordinator({ db, services, around, leaseMs, log, health, queue })
  const drain = await startDrain({ broker, coordinator, health, db, leaseMs, log })
  const inbox = await startInbox({ broker, coordinator, db, leaseMs, log })
  const watch = watchOrders({ databaseUrl, dataDir: config.dataDir, health, broker })
  const shipping = connectGrpc(ShippingServiceDefinition, config.grpc.addresses.shipping, config.grpc.timeoutMs)
  const eraser = { db, idleMs: config.eraseAfterMs, log, eraseShipments: eraseShipmentsAt(shipping) }
  const erasing = startErasing(eraser)
  const address = `${config.grpc.host}:${config.grpc.ports.orders}`
  const server = await serveGrpc(OrdersServiceDefinition, ordersService({ db, coordinator, products, leaseMs, log, health, broker }), {
    address,
    log,
    faults: config.faults,
    beside: [served(AccessServiceDefinition, accessService({ db, log })), served(PrivacyServiceDefinition, privacyService(eraser))],
    reflection: config.grpc.reflection,
  })
  return {
    address,
    drain: server.drain,
    async stop() {
      await Promise.all([server.stop(), coordinator.stop(DRAIN_MS), drain.stop(DRAIN_MS), inbox.stop(DRAIN_MS), erasing.stop()])
      await watch.close()
      await broker.close(BROKER_CLOSE_MS)
      services.close()
      catalogue.close()
      shipping.close()
      await db.close()
    },
  }
}
