import { join } from 'node:path'
import { type Config, embeddedDatabases, OWNERS, SERVICES, type ServiceName } from '../platform/config.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../platform/embedded-postgres.ts'
import { isLoopback } from '../platform/exposure.ts'
import { readRestoredMark } from '../platform/restored.ts'
import { banner } from './banner.ts'
import { type Child, startChild } from './child.ts'
import { lockDataDir } from './lock.ts'
import { requireFreePorts } from './ports.ts'
import { seedCatalogue } from './seed.ts'
import { onSignals } from './signals.ts'

/** The whole system: PostgreSQL, one process per service, started again when it dies, stopped in order. */

const STOP_MS = 15_000
/** Services that lost their supervisor end by themselves within this time. */
const ORPHANS_END_MS = 20_000
/** From the edge inwards: first nothing new comes in, then what is in flight is finished. */
const STOP_ORDER: ServiceName[][] = [['gateway'], ['orders'], ['inventory', 'payment', 'shipping']]

export type Program = { module: string; env: NodeJS.ProcessEnv }

/** Runs until a signal; resolves when all has stopped. @throws when the system can't be started, in plain words. */
export async function supervise(config: Config, { module, env }: Program): Promise<void> {
  const lock = lockDataDir(config.dataDir)
  let postgres: EmbeddedPostgres | undefined
  const children: Child[] = []
  // From here on a signal means: stop in order, however far the start has come.
  const signals = onSignals({
    first: () => say('Stopping: finishing what is in flight (once more to stop at once) …'),
    again: async () => {
      for (const child of children) child.kill()
      await postgres?.stopSoon()
    },
  })
  try {
    if (lock.lastRunWasKilled) say('The last run was killed: taking up from there.')
    await requireFreePorts(config, lock.lastRunWasKilled ? ORPHANS_END_MS : 0)
    const restored = await readRestoredMark(config.dataDir)
    postgres = await startDatabases(config)
    if (postgres?.adopted) say(`PostgreSQL runs already on port ${postgres.port}: using it`)
    if (signals.came()) return
    const childEnv = {
      NODE_COMPILE_CACHE: join(config.dataDir, 'compile-cache'),
      ...env,
      ...(postgres && databaseSettings(postgres)),
      ...faultSettings(config),
      ...(restored && { TAKE_ORDERS: 'off' }),
    }
    const start = (name: ServiceName) => {
      const child = startChild({ name, module, args: ['serve', name], env: { ...childEnv, ...metricsSettings(config, name) }, say })
      children.push(child)
      return child.ready
    }
    const seeded = await Promise.race([startAll({ config, start, isStopping: signals.came }), signals.stop])
    if (seeded === undefined) return
    say(banner({ config, postgres, seeded, restored, pids: new Map(children.map((child) => [child.name, child.pid()])) }))
    await signals.stop
  } finally {
    await stopAll(children, { postgres, patienceMs: config.drainMs + STOP_MS })
    lock.release()
    if (signals.came()) say('Stopped. Nothing is lost: the next start goes on from here.')
  }
}

/** The gateway comes last: whoever reaches it finds the catalogue there. @returns how many products were seeded; undefined when it was stopped. */
async function startAll({
  config,
  start,
  isStopping,
}: {
  config: Config
  start(name: ServiceName): Promise<void>
  isStopping(): boolean
}): Promise<number | undefined> {
  const owners = OWNERS.map((name) => ({ name, ready: start(name) }))
  const all = Promise.all(owners.map(({ ready }) => ready))
  await Promise.race([all, owners.find(({ name }) => name === 'inventory')?.ready])
  const seeded = await seedCatalogue(config).catch((error: Error) => {
    say(`The catalogue could not be filled (${error.message}); the next start tries again.`)
    return 0
  })
  if (isStopping()) return undefined
  await Promise.all([all, start('gateway')])
  return seeded
}

const say = (line: string) => void process.stdout.write(`${line}\n`)

async function stopAll(
  children: Child[],
  { postgres, patienceMs }: { postgres: EmbeddedPostgres | undefined; patienceMs: number },
): Promise<void> {
  for (const group of STOP_ORDER) {
    await Promise.all(children.filter((child) => group.includes(child.name as ServiceName)).map((child) => child.stop(patienceMs)))
  }
  await postgres?.stop().catch((error: Error) => say(`PostgreSQL did not stop: ${error.message}`))
}

async function startDatabases(config: Config): Promise<EmbeddedPostgres | undefined> {
  const embedded = embeddedDatabases(config)
  if (embedded.length === 0) return undefined
  return startEmbeddedPostgres({ dataDir: config.dataDir, port: config.postgresPort, databases: embedded })
}

/** Each process has a port of its own, in the order of {@link SERVICES}. */
const metricsSettings = ({ metrics: { port } }: Config, name: ServiceName) =>
  port === undefined ? {} : { METRICS_PORT: String(port + SERVICES.indexOf(name)) }

/** Who tries it on one machine may break it on purpose; where others may reach it, or a database is elsewhere, that has to be asked for. */
const faultSettings = ({ faults, databaseUrls, gateway, grpc }: Config) => {
  const isOurOwn = OWNERS.every((owner) => databaseUrls[owner] === '') && [gateway.host, grpc.host].every(isLoopback)
  return faults === 'unset' && isOurOwn ? { COMANDA_FAULTS: 'on' } : {}
}

const databaseSettings = ({ urls }: EmbeddedPostgres) =>
  Object.fromEntries(Object.entries(urls).map(([name, url]) => [`${name.toUpperCase()}_DATABASE_URL`, url]))
