import { openBroker } from '../broker/open.ts'
import { OrdersServiceDefinition } from '../gen/comanda/v1/orders.ts'
import { ShippingServiceDefinition } from '../gen/comanda/v1/shipping.ts'
import { batched } from '../platform/batched.ts'
import { connectGrpc, isUnavailable, serveGrpc } from '../platform/grpc.ts'
import { ensureSchema } from '../platform/migrate.ts'
import { fromWire } from '../platform/outcome.ts'
import { openDatabase } from '../platform/postgres.ts'
import type { StartService } from '../platform/service.ts'
import { watchDatabase } from '../platform/watch-database.ts'
import { simulatedCarrier } from './carriers/simulated.ts'
import { readShippingMetrics } from './metrics-store.ts'
import { startRelay } from './relay.ts'
import type { Fact } from './relay-store.ts'
import { shippingService } from './service.ts'
import { shipmentId } from './shipment.ts'

const BROKER_CLOSE_MS = 1_000

export const startShipping: StartService = async ({ config, databaseUrl, log }) => {
  await ensureSchema('shipping', databaseUrl, config.migrate)
  const db = openDatabase(databaseUrl, { applicationName: 'comanda shipping' })
  const carrier = simulatedCarrier()
  const orders = connectGrpc(OrdersServiceDefinition, config.grpc.addresses.orders, config.grpc.timeoutMs)
  // A call that fails as a whole, for no reason of the network, is tried again in halves: one bad fact fails alone.
  const splitOn = (error: unknown) => !isUnavailable(error)
  const tellOrders = batched(
    async (facts: Fact[]) => {
      const told = facts.map((fact) => ({
        ...{ orderId: fact.order_id, shipmentId: shipmentId({ orderId: fact.order_id, number: fact.number }) },
        ...{ locationId: fact.location_id, status: fact.status, at: fact.at },
      }))
      return (await orders.recordShipments({ facts: told })).outcomes.map((outcome) => fromWire<unknown>(outcome))
    },
    { name: 'tell orders', max: 256, concurrency: 1, splitOn },
  )
  const broker = openBroker(config, log)
  const relay = startRelay({ db, carrier, tellOrders, publish: (messages) => broker.publish('orders.facts', messages), log })
  const address = `${config.grpc.host}:${config.grpc.ports.shipping}`
  const watch = watchDatabase(databaseUrl, { shipments: { read: readShippingMetrics } })
  const server = await serveGrpc(ShippingServiceDefinition, shippingService({ db, carrier, relay, log }), {
    address,
    log,
    faults: config.faults,
    reflection: config.grpc.reflection,
  })
  return {
    address,
    drain: server.drain,
    async stop() {
      await server.stop()
      await relay.stop()
      await watch.close()
      await broker.close(BROKER_CLOSE_MS)
      orders.close()
      await db.close()
    },
  }
}
