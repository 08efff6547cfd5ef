import { join } from 'node:path'
import { OWNERS, SERVICES, type ServiceName } from '../../src/platform/config.ts'
import { chance } from '../chaos/chance.ts'
import { type DatabaseServer, startDatabaseServer } from '../chaos/database.ts'
import { type Instance, keep } from '../chaos/keeper.ts'
import { freePorts } from '../support/system.ts'

/** Two of each service and two gateways, as processes, as on two machines. */
export type TwoOfEach = {
  /** In the order of their services, the two of each one after the other. */
  instances: Instance[]
  gateways: string[]
  database: DatabaseServer
  /** For the audit. */
  databaseUrls: Record<(typeof OWNERS)[number], string>
  stop(): Promise<void>
}

type More = {
  /** Of the version that they are started from; this one's if not given. */
  sources?: string
  /** For all of them. */
  settings?: NodeJS.ProcessEnv
  /** Between the database's start and theirs. */
  prepare?(settings: NodeJS.ProcessEnv): Promise<unknown>
}

export async function startTwoOfEach(dir: string, drainMs: Record<ServiceName, number>, more: More = {}): Promise<TwoOfEach> {
  const names = SERVICES.flatMap((service) => [1, 2].map((i) => ({ service, name: `${service}-${i}` })))
  const [postgresPort = 0, ...ports] = await freePorts(1 + names.length)
  const portsOf = (service: ServiceName) => ports.filter((_, i) => names[i]?.service === service)
  const database = await startDatabaseServer({ dataDir: join(dir, 'data'), port: postgresPort, databases: [...OWNERS, 'broker'] })
  const urls = Object.fromEntries(OWNERS.map((owner) => [owner, database.url(owner)])) as TwoOfEach['databaseUrls']
  const perOwner = (suffix: string, value: (owner: (typeof OWNERS)[number]) => string) =>
    Object.fromEntries(OWNERS.map((owner) => [`${owner.toUpperCase()}_${suffix}`, value(owner)]))
  const shared: NodeJS.ProcessEnv = {
    ...process.env,
    ...perOwner('DATABASE_URL', (owner) => urls[owner]),
    ...perOwner('ADDRESS', (owner) =>
      portsOf(owner)
        .map((port) => `127.0.0.1:${port}`)
        .join(','),
    ),
    BROKER_DATABASE_URL: database.url('broker'),
    DATA_DIR: join(dir, 'data'),
    LOG_TERMINAL: 'off',
    ...more.settings,
  }
  await more.prepare?.(shared)
  const instances = names.map(({ service, name }, i) => {
    const own = {
      [`${service.toUpperCase()}_PORT`]: String(ports[i]),
      DRAIN_MS: String(drainMs[service]),
      LOG_DIR: join(dir, 'logs', name),
    }
    const env = { ...shared, ...own }
    return keep({ name, service, env, logs: join(dir, 'logs'), chance: chance(1, name), ...(more.sources && { sources: more.sources }) })
  })
  await Promise.all(instances.map((instance) => instance.ready()))
  return {
    instances,
    gateways: portsOf('gateway').map((port) => `http://127.0.0.1:${port}`),
    database,
    databaseUrls: urls,
    async stop() {
      await Promise.all(instances.filter(({ service }) => service === 'gateway').map((instance) => instance.stop()))
      await Promise.all(instances.map((instance) => instance.stop()))
      await database.stop()
    },
  }
}
