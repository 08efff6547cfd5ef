import nodeCrypto from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import filesystem from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import timersPromises from 'node:timers/promises'
import { types } from 'node:util'
import pg from 'pg'
import { V7Generator } from 'uuidv7'
import { SimulatedSocket } from '../ports/postgres-socket.ts'
import { currentProcess, type SimulatedProcess } from './process.ts'
import type { Planned } from './world.ts'

/**
 * Puts the world's clock, timers and chance in the place of the real ones, for code that runs as a simulated process; all other code keeps
 * the real ones. So what is simulated is the product's own code, unchanged.
 */

const RealDate = Date
const real = {
  setTimeout: globalThis.setTimeout,
  setInterval: globalThis.setInterval,
  setImmediate: globalThis.setImmediate,
  clearTimeout: globalThis.clearTimeout,
  performanceNow: performance.now.bind(performance),
  random: Math.random,
}
export const realSetImmediate = real.setImmediate
export const realNow = real.performanceNow

/** Wall clock of the databases while one of them works; PGlite asks JavaScript for the time. */
let databaseClock: number | undefined
export function withDatabaseClock<T>(wallMs: number, work: () => T): T {
  databaseClock = wallMs
  try {
    return work()
  } finally {
    databaseClock = undefined
  }
}

class VirtualDate extends RealDate {
  constructor(...args: [] | [number]) {
    if (args.length === 0) super(VirtualDate.now())
    else super(...args)
  }
  static override now(): number {
    return databaseClock ?? currentProcess()?.wallClock() ?? RealDate.now()
  }
  static override [Symbol.hasInstance](value: unknown): boolean {
    return types.isDate(value)
  }
}

type Callback = (...args: unknown[]) => void

class VirtualTimer {
  readonly #owner: SimulatedProcess
  readonly #ms: number
  readonly #everyMs: number | undefined
  readonly #callback: () => void
  #planned: Planned | undefined

  constructor(owner: SimulatedProcess, callback: () => void, { ms, repeats }: { ms: number; repeats: boolean }) {
    this.#owner = owner
    this.#callback = callback
    // As Node does it: no timer is shorter than a millisecond, and one that is too long or no number is one.
    this.#ms = ms >= 1 && ms <= 2_147_483_647 ? ms : 1
    this.#everyMs = repeats ? this.#ms : undefined
    this.refresh()
  }

  refresh(): this {
    this.close()
    this.#planned = this.#owner.world.plan(this.#ms, this.#owner, () => {
      if (this.#everyMs !== undefined) this.refresh()
      this.#callback()
    })
    return this
  }

  close(): this {
    this.#planned?.cancel()
    return this
  }

  ref = () => this
  unref = () => this
  hasRef = () => true
}

class VirtualImmediate {
  readonly #planned: Planned
  constructor(owner: SimulatedProcess, callback: () => void) {
    this.#planned = owner.world.plan(0, owner, callback)
  }
  close(): void {
    this.#planned.cancel()
  }
  ref = () => this
  unref = () => this
}

function timer(realOne: (callback: Callback, ms?: number, ...args: unknown[]) => unknown, repeats: boolean) {
  return (callback: Callback, ms = 0, ...args: unknown[]): unknown => {
    // PostgreSQL's own alarm clock, which would ring in the middle of another statement.
    if (databaseClock !== undefined) return undefined
    const owner = currentProcess()
    if (!owner) return realOne(callback, ms, ...args)
    return new VirtualTimer(owner, () => callback(...args), { ms, repeats })
  }
}

const clear = (handle: unknown) => {
  if (handle instanceof VirtualTimer || handle instanceof VirtualImmediate) handle.close()
  else real.clearTimeout(handle as NodeJS.Timeout)
}

const pause = <T>(ms = 0, value?: T): Promise<T | undefined> => new Promise((resolve) => setTimeout(() => resolve(value), ms))

let isInstalled = false

export function installGlobals(): void {
  if (isInstalled) return
  isInstalled = true
  const realUuid = nodeCrypto.randomUUID
  const realPause = timersPromises.setTimeout
  const realImmediate = real.setImmediate as unknown as (callback: Callback, ...args: unknown[]) => unknown
  Object.assign(globalThis, {
    Date: VirtualDate,
    setTimeout: timer(real.setTimeout as never, false),
    setInterval: timer(real.setInterval as never, true),
    setImmediate: (callback: Callback, ...args: unknown[]) => {
      const owner = currentProcess()
      return owner ? new VirtualImmediate(owner, () => callback(...args)) : realImmediate(callback, ...args)
    },
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate: clear,
  })
  performance.now = () => currentProcess()?.world.now ?? real.performanceNow()
  Math.random = () => currentProcess()?.chance.next() ?? real.random()
  // Live bindings: who imported these by name sees the new ones too.
  nodeCrypto.randomUUID = ((...args: []) => {
    const owner = currentProcess()
    return owner ? owner.ids.generate().toString() : realUuid(...args)
  }) as typeof realUuid
  timersPromises.setTimeout = ((ms?: number, value?: unknown, options?: never) =>
    currentProcess() ? pause(ms, value) : realPause(ms, value, options)) as typeof realPause
  // Files (of migrations) are read at once: how long a disk takes would differ from run to run.
  const { readdir, readFile } = filesystem
  filesystem.readdir = ((path: string, ...rest: []) =>
    currentProcess() ? Promise.resolve(readdirSync(path)) : readdir(path, ...rest)) as typeof readdir
  filesystem.readFile = ((path: string, ...rest: []) =>
    currentProcess() ? Promise.resolve(readFileSync(path, ...rest)) : readFile(path, ...rest)) as typeof readFile
  syncBuiltinESMExports()

  const generate = V7Generator.prototype.generate
  V7Generator.prototype.generate = function (this: V7Generator) {
    return generate.call(currentProcess()?.ids ?? this)
  }
  // What a process opens as a connection to PostgreSQL ends in the world's servers; all of node-postgres before that is real.
  const RealPool = pg.Pool
  pg.Pool = class extends RealPool {
    constructor(options?: pg.PoolConfig) {
      super(currentProcess() ? { ...options, stream: () => new SimulatedSocket() as never } : options)
    }
  }
  const RealClient = pg.Client
  pg.Client = class extends RealClient {
    constructor(options?: pg.ClientConfig) {
      super(currentProcess() ? { ...options, stream: (() => new SimulatedSocket()) as never } : options)
    }
  }
}
