import { refuseToBeOpen } from '../platform/exposure.ts'
import type { StartService } from '../platform/service.ts'
import { connectAccess } from './access/connect.ts'
import { buildGateway } from './app.ts'
import { connectClients } from './clients.ts'
import { openDrain } from './drain.ts'
import { connectFaultControl } from './faults.ts'

export const startGateway: StartService = async ({ config, log }) => {
  refuseToBeOpen(config.gateway)
  const clients = connectClients(config.grpc)
  const access = connectAccess(config)
  const faults = config.faults === 'on' ? connectFaultControl(config.grpc) : undefined
  const drain = openDrain()
  const { waitMs, ordersAtOnce, takeOrders } = config.gateway
  const app = await buildGateway({ clients, faults, access, drain, waitMs, ordersAtOnce, takeOrders, log })
  const address = await app.listen({ host: config.gateway.host, port: config.gateway.port })
  return {
    address,
    drain: drain.begin,
    async stop() {
      await app.close()
      clients.close()
      faults?.close()
      access.close()
    },
  }
}
