import { join } from 'node:path'
import { OWNERS, type OwnerName, SERVICES, type ServiceName } from '../../src/platform/config.ts'
import { freePorts } from '../support/system.ts'
import { chance } from './chance.ts'
import type { DatabaseServer } from './database.ts'
import { type Instance, keep } from './keeper.ts'
import { type Link, openLink } from './link.ts'
import type { Swallowed } from './postgres-wire.ts'

/** Two of each service and two gateways as processes, each on wires that can be cut. */
export type ChaosSystem = {
  instances: Instance[]
  database: DatabaseServer
  /** From each service to PostgreSQL; by instance. */
  databaseLinks: Link[]
  /** From everyone to each service; by instance. */
  serviceLinks: Link[]
  gateways: string[]
  /** Past all wires, to where the database is now: for the audit. */
  urls(): Record<OwnerName, string>
  leaseMs: number
  ready(): Promise<void>
  /** Services and wires; what they stand on is for whoever started it. */
  stop(): Promise<void>
}

const EACH = 2
/** Short, so that a pause of three leases is soon over. */
const LEASE_MS = 3_000
const WAIT_MS = 2_000

type Options = {
  dir: string
  seed: number
  database: DatabaseServer
  /** What the services are told of the broker. */
  broker: NodeJS.ProcessEnv
  onSwallow?: (link: string, what: Swallowed) => void
}

export async function startChaosSystem({ dir, seed, database, broker, onSwallow = () => {} }: Options): Promise<ChaosSystem> {
  const names = SERVICES.flatMap((service) => Array.from({ length: EACH }, (_, i) => ({ service, name: `${service}-${i + 1}` })))
  const ports = await freePorts(names.length)
  const portOf = new Map(names.map(({ name }, i) => [name, ports[i] ?? 0]))
  const owners = names.filter(({ service }) => service !== 'gateway') as { service: OwnerName; name: string }[]
  const databaseLinks = await Promise.all(
    owners.map(({ name }) => openLink({ name, to: database.port(), listensToPostgres: true, onSwallow: (what) => onSwallow(name, what) })),
  )
  const serviceLinks = await Promise.all(owners.map(({ name }) => openLink({ name, to: portOf.get(name) ?? 0 })))
  const addresses = Object.fromEntries(
    OWNERS.map((owner) => {
      const links = serviceLinks.filter((_, i) => owners[i]?.service === owner)
      return [`${owner.toUpperCase()}_ADDRESS`, links.map(({ port }) => `127.0.0.1:${port}`).join(',')]
    }),
  )
  const envOf = (service: ServiceName, name: string): NodeJS.ProcessEnv => {
    const link = databaseLinks.find((one) => one.name === name)
    return {
      ...process.env,
      ...addresses,
      ...broker,
      NODE_COMPILE_CACHE: join(dir, 'compile-cache'),
      DATA_DIR: join(dir, 'data'),
      LOG_DIR: join(dir, 'logs', name),
      LOG_TERMINAL: 'off',
      LEASE_MS: String(LEASE_MS),
      WAIT_MS: String(WAIT_MS),
      [`${service.toUpperCase()}_PORT`]: String(portOf.get(name)),
      ...(link && {
        [`${service.toUpperCase()}_DATABASE_URL`]: throughLink(database.url(service), link),
        BROKER_DATABASE_URL: throughLink(database.url('broker'), link),
      }),
    }
  }
  const instances = names.map(({ service, name }) =>
    keep({ name, service, env: envOf(service, name), logs: join(dir, 'logs'), chance: chance(seed, `keeper of ${name}`) }),
  )
  return {
    instances,
    database,
    databaseLinks,
    serviceLinks,
    gateways: names.filter(({ service }) => service === 'gateway').map(({ name }) => `http://127.0.0.1:${portOf.get(name)}`),
    urls: () => Object.fromEntries(OWNERS.map((owner) => [owner, database.url(owner)])) as Record<OwnerName, string>,
    leaseMs: LEASE_MS,
    ready: async () => void (await Promise.all(instances.map((instance) => instance.ready()))),
    async stop() {
      await Promise.all(instances.filter(({ service }) => service === 'gateway').map((instance) => instance.stop()))
      await Promise.all(instances.map((instance) => instance.stop()))
      await Promise.all([...databaseLinks, ...serviceLinks].map((link) => link.close()))
    },
  }
}

const throughLink = (url: string, link: Link) => Object.assign(new URL(url), { port: String(link.port) }).toString()
