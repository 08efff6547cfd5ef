import { InventoryServiceDefinition } from '../gen/comanda/v1/inventory.ts'
import { serveGrpc } from '../platform/grpc.ts'
import { ensureSchema } from '../platform/migrate.ts'
import { openDatabase } from '../platform/postgres.ts'
import type { StartService } from '../platform/service.ts'
import { watchDatabase } from '../platform/watch-database.ts'
import { startRetention } from '../retention/retention.ts'
import { movements } from '../retention/trims.ts'
import { readInventoryMetrics } from './metrics-store.ts'
import { inventoryService } from './service.ts'

const CATALOGUE_EVERY_MS = 30_000

export const startInventory: StartService = async ({ config, databaseUrl, log }) => {
  await ensureSchema('inventory', databaseUrl, config.migrate)
  const db = openDatabase(databaseUrl, { applicationName: 'comanda inventory' })
  const address = `${config.grpc.host}:${config.grpc.ports.inventory}`
  const watch = watchDatabase(databaseUrl, { products: { read: readInventoryMetrics, everyMs: CATALOGUE_EVERY_MS } })
  const retention = startRetention(movements, { databaseUrl, days: config.foldAfterDays, log })
  const server = await serveGrpc(InventoryServiceDefinition, inventoryService({ db, log }), {
    address,
    log,
    faults: config.faults,
    reflection: config.grpc.reflection,
  })
  return {
    address,
    drain: server.drain,
    async stop() {
      await Promise.all([server.stop(), retention.stop()])
      await watch.close()
      await db.close()
    },
  }
}
