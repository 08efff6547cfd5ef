import { fileURLToPath } from 'node:url'
import { type Config, OWNERS, type OwnerName, readConfig, type ServiceName } from './platform/config.ts'
import { embeddedUrls, startEmbeddedPostgres } from './platform/embedded-postgres.ts'
import { type Log, openLog } from './platform/log.ts'
import type { RunningService, StartService } from './platform/service.ts'

/** Who there is. Loaded one by one, so that a process holds only what it runs. */
const START: Record<ServiceName, () => Promise<StartService>> = {
  inventory: async () => (await import('./inventory/start.ts')).startInventory,
  payment: async () => (await import('./payment/start.ts')).startPayment,
  shipping: async () => (await import('./shipping/start.ts')).startShipping,
  orders: async () => (await import('./orders/start.ts')).startOrders,
  gateway: async () => (await import('./gateway/start.ts')).startGateway,
}

/** `comanda serve all`: a supervisor with a process per service. `comanda serve orders payment`: just those, in this process. */
export async function serve(names: readonly ServiceName[] | 'all', config: Config): Promise<void> {
  if (names === 'all') {
    const { supervise } = await import('./supervisor/supervisor.ts')
    return supervise(config, { module: fileURLToPath(import.meta.url), env: process.env })
  }
  const { urls, stopDatabases } = await findDatabases(names, config)
  const running: RunningService[] = []
  const stop = untilTold()
  for (const name of names) {
    const log = await openLog({ service: name, ...config.log })
    exitOnTheUnforeseen(log)
    try {
      const start = await START[name]()
      running.unshift(await start({ config, databaseUrl: name === 'gateway' ? '' : (urls[name] ?? ''), log }))
    } catch (error) {
      process.send?.({ failed: (error as Error).message })
      throw error
    }
    log.info({ address: running[0]?.address, pid: process.pid }, 'ready')
  }
  process.send?.({ ready: true })
  await stop
  for (const service of running) await service.stop()
  await stopDatabases()
  process.exit(0)
}

async function findDatabases(
  names: readonly ServiceName[],
  config: Config,
): Promise<{ urls: Record<string, string>; stopDatabases(): Promise<void> }> {
  const missing = OWNERS.filter((owner) => names.includes(owner) && config.databaseUrls[owner] === '')
  const given = config.databaseUrls as Record<string, string>
  if (missing.length === 0) return { urls: given, stopDatabases: async () => {} }
  const running = await embeddedUrls(config.dataDir)
  const own = running ? undefined : await startEmbeddedPostgres({ dataDir: config.dataDir, port: config.postgresPort, databases: OWNERS })
  const embedded = running ?? own?.urls ?? {}
  const urls = Object.fromEntries(OWNERS.map((owner: OwnerName) => [owner, given[owner] || (embedded[owner] ?? '')]))
  return { urls, stopDatabases: async () => own?.stop() }
}

/** A child is told by its supervisor, and stops too when that one is gone; alone it listens to signals. */
function untilTold(): Promise<void> {
  return new Promise((resolve) => {
    process.on('message', (message: { stop?: boolean }) => message.stop && resolve())
    process.on('disconnect', resolve)
    process.on('SIGTERM', () => resolve())
    process.on('SIGINT', () => resolve())
  })
}

/** After an error that nobody caught the memory can't be trusted; the databases can. Log it and start again. */
function exitOnTheUnforeseen(log: Log): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, event)
      process.exit(1)
    })
  }
}

// What the supervisor starts: node src/main.ts serve <service>. Not through the command line, which would load far more than a service needs.
if (import.meta.main) await serve(process.argv.slice(3) as ServiceName[], readConfig(process.env))
