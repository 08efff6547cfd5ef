import type { Clients, System } from '../system/system.ts'
import type { Chance } from '../world/chance.ts'
import type { SimulatedProcess } from '../world/process.ts'

/** The way from people to a gateway and back: slow, lossy, and to a gateway that may be dead. */

const TIMEOUT_MS = 40_000

export class Edge {
  readonly #system: System
  readonly #client: SimulatedProcess
  readonly #chance: Chance

  constructor(system: System, client: SimulatedProcess) {
    this.#system = system
    this.#client = client
    this.#chance = client.chance.split('edge')
  }

  /** Asks one of the gateways. Rejects when there is no answer; then it may have been done all the same. */
  ask<T>(what: (clients: Clients) => Promise<T>): Promise<T> {
    const { world, slots, faults } = this.#system
    const { process: gateway, clients } = this.#chance.pick(slots.filter((one) => one.role === 'gateway'))
    const fate = faults.forCall(this.#chance)
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer from the gateway')), TIMEOUT_MS)
      const hear = (answer: () => void) =>
        void world.plan(this.#delay(), this.#client, () => {
          clearTimeout(timer)
          answer()
        })
      if (!gateway || !clients) return hear(() => reject(new Error('connection refused')))
      gateway.onCrash(() => hear(() => reject(new Error('connection reset'))))
      const arrive = () =>
        void what(clients).then(
          (value) => fate.reply === 'arrives' && hear(() => resolve(value)),
          (error: Error) => fate.reply === 'arrives' && hear(() => reject(error)),
        )
      if (fate.request === 'lost') return
      world.plan(this.#delay() + fate.slowMs, gateway, arrive)
      if (fate.request === 'doubled') world.plan(this.#delay() + this.#chance.between(0, 5_000), gateway, arrive)
    })
  }

  #delay(): number {
    return this.#chance.between(0.5, 5)
  }
}

/** Lets virtual time pass. */
export const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms))
