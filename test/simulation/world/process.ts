import { AsyncLocalStorage } from 'node:async_hooks'
import { V7Generator } from 'uuidv7'
import type { Chance } from './chance.ts'
import type { World } from './world.ts'

/** Which simulated process the running code belongs to; undefined: none, the code is real. */
const current = new AsyncLocalStorage<SimulatedProcess | undefined>()
export const currentProcess = (): SimulatedProcess | undefined => current.getStore()

/**
 * One life of a process. When it has crashed, its timers and whatever comes for it are dropped, so its code never goes on; what it had in
 * memory is gone with it. When it is paused (SIGSTOP, a long collection of garbage), all of that comes later.
 */
export class SimulatedProcess {
  readonly world: World
  readonly name: string
  readonly chance: Chance
  readonly ids: V7Generator
  isAlive = true
  /** Customers and warehouses don't crash. */
  isMortal = true
  /** World time until which it stands still. */
  pausedUntil = 0
  /** How far its wall clock is off, in ms. */
  skewMs = 0
  readonly #atCrash: (() => void)[] = []

  constructor(world: World, name: string, chance: Chance) {
    this.world = world
    this.name = name
    this.chance = chance
    const ids = chance.split('ids')
    this.ids = new V7Generator({ nextUint32: () => ids.uint32() })
  }

  /** Runs code as this process's own: its timers, clock, chance and ids. */
  run<T>(code: () => T): T {
    return current.run(this, code)
  }

  wallClock(): number {
    return Math.floor(this.world.epochMs + this.world.now + this.skewMs)
  }

  /** What the rest of the world notices of its crash: broken connections, say. */
  onCrash(notice: () => void): void {
    this.#atCrash.push(notice)
  }

  crash(): void {
    if (!this.isAlive) return
    this.isAlive = false
    this.world.tell('crash', this.name)
    for (const notice of this.#atCrash) notice()
  }
}

/** Runs code as nobody's: the world's own, with real timers. */
export const asNobody = <T>(code: () => T): T => current.run(undefined, code)
