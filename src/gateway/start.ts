import type { StartService } from '../platform/service.ts'
import { buildGateway } from './app.ts'
import { connectClients } from './clients.ts'
import { connectFaultControl } from './faults.ts'

export const startGateway: StartService = async ({ config, log }) => {
  const clients = connectClients(config.grpc)
  const faults = config.faults === 'on' ? connectFaultControl(config.grpc) : undefined
  const app = await buildGateway({ clients, faults, waitMs: config.gateway.waitMs, ordersAtOnce: config.gateway.ordersAtOnce, log })
  const address = await app.listen({ host: config.gateway.host, port: config.gateway.port })
  return {
    address,
    async stop() {
      await app.close()
      clients.close()
      faults?.close()
    },
  }
}
