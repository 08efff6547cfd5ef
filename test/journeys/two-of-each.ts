import { join } from 'node:path'
import { OWNERS, SERVICES, type ServiceName } from '../../src/platform/config.ts'
import { chance } from '../chaos/chance.ts'
import { startDatabaseServer } from '../chaos/database.ts'
import { type Instance, keep } from '../chaos/keeper.ts'
import { freePorts } from '../support/system.ts'

/** Two of each service and two gateways, as processes, as on two machines. */
export type TwoOfEach = {
  /** In the order of their services, the two of each one after the other. */
  instances: Instance[]
  gateways: string[]
  /** For the audit. */
  databaseUrls: Record<(typeof OWNERS)[number], string>
  stop(): Promise<void>
}

export async function startTwoOfEach(dir: string, drainMs: Record<ServiceName, number>): Promise<TwoOfEach> {
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
  }
  const instances = names.map(({ service, name }, i) => {
    const own = {
      [`${service.toUpperCase()}_PORT`]: String(ports[i]),
      DRAIN_MS: String(drainMs[service]),
      LOG_DIR: join(dir, 'logs', name),
    }
    return keep({ name, service, env: { ...shared, ...own }, logs: join(dir, 'logs'), chance: chance(1, name) })
  })
  await Promise.all(instances.map((instance) => instance.ready()))
  return {
    instances,
    gateways: portsOf('gateway').map((port) => `http://127.0.0.1:${port}`),
    databaseUrls: urls,
    async stop() {
      await Promise.all(instances.filter(({ service }) => service === 'gateway').map((instance) => instance.stop()))
      await Promise.all(instances.map((instance) => instance.stop()))
      await database.stop()
    },
  }
}
