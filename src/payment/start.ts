import { openBroker } from '../broker/open.ts'
import { PaymentServiceDefinition } from '../gen/comanda/v1/payment.ts'
import { serveGrpc } from '../platform/grpc.ts'
import { ensureSchema } from '../platform/migrate.ts'
import { openDatabase } from '../platform/postgres.ts'
import type { StartService } from '../platform/service.ts'
import { watchDatabase } from '../platform/watch-database.ts'
import { readPaymentMetrics } from './metrics-store.ts'
import { simulatedProvider } from './providers/simulated.ts'
import { startReconciler } from './reconcile/runs.ts'
import { startRelay } from './relay.ts'
import { startResolver } from './resolver.ts'
import { NOT_FOUND_IS_FINAL_AFTER_MS, paymentService } from './service.ts'

const BROKER_CLOSE_MS = 1_000

export const startPayment: StartService = async ({ config, databaseUrl, log }) => {
  await ensureSchema('payment', databaseUrl, config.migrate)
  const db = openDatabase(databaseUrl, { applicationName: 'comanda payment' })
  // The simulated provider's commits don't wait for the disk, which saves one flush of three per order. Safe because its book shares our
  // write-ahead log: what we commit upon its answer flushes its charge too, and a charge lost before that is asked for again by its intent.
  const settings = { synchronous_commit: 'off' }
  const providerDb = openDatabase(databaseUrl, { max: 2, applicationName: 'comanda simulated provider', settings })
  const provider = simulatedProvider({ db: providerDb })
  const address = `${config.grpc.host}:${config.grpc.ports.payment}`
  const context = { db, provider, log, notFoundIsFinalAfterMs: NOT_FOUND_IS_FINAL_AFTER_MS }
  const broker = openBroker(config, log)
  const reconciler = startReconciler(context, config.reconcileEveryMs)
  const loops = [startResolver(context), startRelay({ db, broker, log }), reconciler]
  const watch = watchDatabase(databaseUrl, { payments: { read: readPaymentMetrics } })
  const server = await serveGrpc(PaymentServiceDefinition, paymentService(context, reconciler.wake), {
    address,
    log,
    faults: config.faults,
    reflection: config.grpc.reflection,
  })
  return {
    address,
    drain: server.drain,
    async stop() {
      await Promise.all([server.stop(), ...loops.map((loop) => loop.stop())])
      await watch.close()
      await broker.close(BROKER_CLOSE_MS)
      await db.close()
      await providerDb.close()
    },
  }
}
