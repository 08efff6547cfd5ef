import { flushCompileCache } from 'node:module'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { limitBatches } from './platform/batched.ts'
import { type Config, DATABASES, type DatabaseName, readConfig, type ServiceName } from './platform/config.ts'
import { type Databases, findDatabases } from './platform/databases.ts'
import { refuseToBeOpen } from './platform/exposure.ts'
import { type Log, openLog, silentLog } from './platform/log.ts'
import { useMutualTls } from './platform/mutual-tls.ts'
import type { RunningService, StartService } from './platform/service.ts'
import { trustAlso } from './platform/trust.ts'
import { version } from './platform/version.ts'
import { exitOnTheUnforeseen, exitWithin, tell, untilTold } from './supervisor/supervised.ts'
import { startTelemetry, type Telemetry } from './telemetry/start.ts'

/** Who there is. Loaded one by one, so that a process holds only what it runs. */
const START: Record<ServiceName, () => Promise<StartService>> = {
  inventory: async () => (await import('./inventory/start.ts')).startInventory,
  payment: async () => (await import('./payment/start.ts')).startPayment,
  shipping: async () => (await import('./shipping/start.ts')).startShipping,
  orders: async () => (await import('./orders/start.ts')).startOrders,
  gateway: async () => (await import('./gateway/start.ts')).startGateway,
}

/** Longer than a service takes to finish what is in flight, shorter than its supervisor's patience with orphans. */
const STOP_MS = 18_000
/** Nothing is in flight when the start failed. */
const FAILED_STOP_MS = 3_000

/** `comanda serve all`: a supervisor with a process per service. `comanda serve orders payment`: just those, in this process. */
export async function serve(names: readonly ServiceName[] | 'all', config: Config): Promise<void> {
  if (names === 'all') {
    // Before anything is started for nothing.
    refuseToBeOpen(config.gateway)
    await useMutualTls(config.grpc.tls, { who: ['operator'], log: silentLog() })
    const { supervise } = await import('./supervisor/supervisor.ts')
    return supervise(config, { module: fileURLToPath(import.meta.url), env: process.env })
  }
  const told = untilTold()
  const running: RunningService[] = []
  let databases: Databases | undefined
  let telemetry: Telemetry | undefined
  let log: Log | undefined
  try {
    trustAlso(config.caCertificates)
    limitBatches(config.batchMax)
    databases = await findDatabases(databasesOf(names), config)
    for (const name of names) {
      log = await openLog({ service: name, ...config.log })
      telemetry ??= await startTelemetry(names, config, log)
      exitOnTheUnforeseen(log)
      if (name === names[0]) await useMutualTls(config.grpc.tls, { who: names, log })
      const start = await START[name]()
      const { urls } = databases
      const databaseUrl = name === 'gateway' ? '' : urls[name]
      running.unshift(await start({ config: { ...config, databaseUrls: urls }, databaseUrl, log }))
      log.info({ address: running[0]?.address, pid: process.pid, version }, 'ready')
    }
    await tell({ ready: true })
    // Else it is written at a proper end only, and who was killed would take a third longer to be back, time after time.
    flushCompileCache()
    await told
    exitWithin(config.drainMs + STOP_MS)
    for (const service of running) service.drain()
    if (config.drainMs > 0) await delay(config.drainMs)
  } catch (error) {
    exitWithin(FAILED_STOP_MS)
    log?.fatal({ err: error }, 'did not start')
    await tell({ failed: (error as Error).message })
    throw error
  } finally {
    for (const service of running)
      await service.stop().catch((error: Error) => process.stderr.write(`did not stop cleanly: ${error.message}\n`))
    await telemetry?.stop()
    await databases?.stop()
  }
  process.exit(0)
}

/** Who sends or takes messages, and so needs the broker's database too. */
const USES_BROKER: ServiceName[] = ['orders', 'payment', 'shipping']

const databasesOf = (names: readonly ServiceName[]): DatabaseName[] =>
  DATABASES.filter((name) => (name === 'broker' ? names.some((one) => USES_BROKER.includes(one)) : names.includes(name)))

// What the supervisor starts: node src/main.ts serve <service>. Not through the command line, which would load far more than a service needs.
if (import.meta.main) {
  await serve(process.argv.slice(3) as ServiceName[], readConfig(process.env)).catch((error: Error) => {
    // A supervisor has been told, and tells the person.
    if (!process.connected) process.stderr.write(`${error.message}\n`)
    process.exit(1)
  })
}
