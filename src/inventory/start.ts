import { InventoryServiceDefinition } from '../gen/comanda/v1/inventory.ts'
import { serveGrpc } from '../platform/grpc.ts'
import { ensureSchema } from '../platform/migrate.ts'
import { openDatabase } from '../platform/postgres.ts'
import type { StartService } from '../platform/service.ts'
import { inventoryService } from './service.ts'

export const startInventory: StartService = async ({ config, databaseUrl, log }) => {
  await ensureSchema('inventory', databaseUrl, config.migrate)
  const db = openDatabase(databaseUrl, { applicationName: 'comanda inventory' })
  const address = `${config.grpc.host}:${config.grpc.ports.inventory}`
  const server = await serveGrpc(InventoryServiceDefinition, inventoryService({ db, log }), { address, log, faults: config.faults })
  return {
    address,
    async stop() {
      await server.stop()
      await db.close()
    },
  }
}
