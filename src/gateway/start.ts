import type { StartService } from '../platform/service.ts'
import { buildGateway } from './app.ts'
import { connectClients } from './clients.ts'

export const startGateway: StartService = async ({ config, log }) => {
  const clients = connectClients(config.grpc)
  const app = await buildGateway({ clients, waitMs: config.gateway.waitMs, log })
  const address = await app.listen({ host: config.gateway.host, port: config.gateway.port })
  return {
    address,
    async stop() {
      await app.close()
      clients.close()
    },
  }
}
