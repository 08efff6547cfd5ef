import { connectClients } from '../../../src/gateway/clients.ts'
import { startInventory } from '../../../src/inventory/start.ts'
import { startOrders } from '../../../src/orders/start.ts'
import { startPayment } from '../../../src/payment/start.ts'
import { type Config, OWNERS, type OwnerName, readConfig } from '../../../src/platform/config.ts'
import type { StartService } from '../../../src/platform/service.ts'
import { startShipping } from '../../../src/shipping/start.ts'
import { DATABASES, type DatabaseName, type Engine } from '../ports/engine.ts'
import { hostOf, type PostgresServer, startServer } from '../ports/postgres-server.ts'
import { openNetwork, SIMULATED } from '../ports/transport.ts'
import type { Chance } from '../world/chance.ts'
import type { Faults } from '../world/faults.ts'
import { type Alarms, simulatedLog } from '../world/log.ts'
import type { SimulatedProcess } from '../world/process.ts'
import type { World } from '../world/world.ts'

/** The whole system, as `src/main.ts` would start it, several of each, on simulated machines; and its supervisor. */

export type Clients = ReturnType<typeof connectClients>

const START: Record<OwnerName, StartService> = {
  orders: startOrders,
  inventory: startInventory,
  payment: startPayment,
  shipping: startShipping,
}

/** A place where a process runs; after a crash another one. */
export type Slot = {
  name: string
  role: OwnerName | 'gateway'
  process: SimulatedProcess | undefined
  lives: number
  skewMs: number
  /** Of a gateway that runs. */
  clients: Clients | undefined
}

export type SystemOptions = {
  instances: Partial<Record<Slot['role'], number>>
  settings: NodeJS.ProcessEnv
  /** Time from a crash to the next start. */
  restartMs: (chance: Chance) => number
  /** By how much a new process's clock is off. */
  skewMs: (chance: Chance) => number
}

export class System {
  readonly world: World
  readonly faults: Faults
  readonly servers: Record<DatabaseName, PostgresServer>
  readonly slots: Slot[] = []
  readonly alarms: Alarms = new Map()
  readonly #options: SystemOptions
  readonly #chance: Chance
  readonly #config: Config

  constructor(world: World, faults: Faults, { engines, ...options }: SystemOptions & { engines: Record<DatabaseName, Engine> }) {
    this.world = world
    this.faults = faults
    this.#options = options
    this.#chance = world.chance.split('system')
    this.servers = Object.fromEntries(DATABASES.map((name) => [name, startServer(world, engines[name], faults)])) as System['servers']
    this.#config = simulatedConfig(options.settings)
    openNetwork(world, faults)
    for (const role of [...OWNERS, 'gateway'] as const) {
      for (let i = 1; i <= (options.instances[role] ?? 2); i++) {
        const slot: Slot = { name: `${role}-${i}`, role, process: undefined, lives: 0, skewMs: 0, clients: undefined }
        this.slots.push(slot)
        this.start(slot)
      }
    }
  }

  /** Lets time pass to `ms`, and then to the first moment in which no transaction is open, so that the tables can be looked at. */
  async runTo(ms: number): Promise<void> {
    await this.world.runUntil(() => false, ms)
    const servers = Object.values(this.servers)
    await this.world.runUntil(() => servers.every((server) => server.isQuiet), Number.POSITIVE_INFINITY)
  }

  start(slot: Slot): void {
    const process = this.world.process(slot.name, ++slot.lives)
    slot.process = process
    process.skewMs = this.#options.skewMs(this.#chance)
    process.onCrash(() => {
      slot.process = undefined
      slot.clients = undefined
      this.world.plan(this.#options.restartMs(this.#chance), undefined, () => this.start(slot))
    })
    this.world.plan(0, process, () => void this.#begin(slot, process))
  }

  async #begin(slot: Slot, process: SimulatedProcess): Promise<void> {
    this.world.tell('start', slot.name, slot.lives)
    if (slot.role === 'gateway') {
      slot.clients = connectClients(this.#config.grpc)
      return
    }
    const log = simulatedLog(process, this.alarms)
    try {
      await START[slot.role]({ config: this.#config, databaseUrl: urlOf(slot.role), log })
      this.world.tell('ready', slot.name)
    } catch (error) {
      // As main.ts: it ends, and is started again.
      log.warn({ err: error }, 'did not start')
      process.crash()
    }
  }
}

const urlOf = (name: DatabaseName) => `postgres://${hostOf(name)}/${name}`

function simulatedConfig(settings: NodeJS.ProcessEnv): Config {
  const urls = Object.fromEntries(DATABASES.map((name) => [`${name.toUpperCase()}_DATABASE_URL`, urlOf(name)]))
  return readConfig({ GRPC_HOST: SIMULATED, ...urls, ...settings })
}
