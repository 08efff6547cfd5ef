import type { Faults } from '../world/faults.ts'
import type { SimulatedProcess } from '../world/process.ts'
import type { World } from '../world/world.ts'
import type { DatabaseName, Engine } from './engine.ts'
import { foundNothing, labelOf, named, ready, refusal, started, statusOf, withoutKnownParse } from './postgres-wire.ts'

/**
 * A PostgreSQL server of the simulated world: the engine behind connections that are slow, break and come back. Transactions come one after
 * the other, as if each took a lock on everything; that a client dies, sleeps or loses its connection in the middle of one is real.
 */

/** What the server answers as one: a start-up packet, a simple query, or messages up to a Sync. */
export type Unit = {
  kind: 'startup' | 'simple' | 'extended' | 'end'
  messages: Buffer[]
  /** Its number among the effects, while they are counted. */
  effect?: number | undefined
}
type ClientEnd = { opened(): void; data(bytes: Buffer): void; broken(error?: Error): void }

/** As the product's connections ask for it. */
const STATEMENT_TIMEOUT_MS = 30_000
const IDLE_IN_TRANSACTION_MS = 15_000

const servers = new WeakMap<World, Map<string, PostgresServer>>()

export function serverOf(world: World, host: string): PostgresServer {
  const server = servers.get(world)?.get(host)
  if (!server) throw new Error(`there is no simulated database ${host}`)
  return server
}

export function startServer(world: World, engine: Engine, faults: Faults): PostgresServer {
  const all = servers.get(world) ?? new Map<string, PostgresServer>()
  servers.set(world, all)
  const server = new PostgresServer(world, engine, faults)
  all.set(hostOf(engine.name), server)
  return server
}

export const hostOf = (name: DatabaseName) => `${name}.simulated`

export class PostgresServer {
  readonly world: World
  readonly engine: Engine
  readonly faults: Faults
  readonly chance
  isUp = true
  /** Transactions and single statements that were committed. */
  commits = 0
  readonly #connections = new Set<Connection>()
  /** Whose transaction is open. */
  #holder: Connection | undefined
  readonly #waiting: Connection[] = []

  constructor(world: World, engine: Engine, faults: Faults) {
    this.world = world
    this.engine = engine
    this.faults = faults
    this.chance = world.chance.split(`database/${engine.name}`)
  }

  connect(process: SimulatedProcess, end: ClientEnd): Connection {
    const connection = new Connection(this, process, end)
    this.#connections.add(connection)
    return connection
  }

  /** No transaction is open: what stands in the tables is committed. */
  get isQuiet(): boolean {
    return this.#holder === undefined
  }

  /** Crashes it: every connection breaks, open transactions are lost. It refuses connections until `isUp` is set again. */
  goDown(): void {
    this.isUp = false
    for (const connection of [...this.#connections]) connection.breakOff()
  }

  /** Loses all its data, in nobody's transaction; a database of its own that somebody deleted and made anew. */
  forgetAll(): void {
    for (const connection of [...this.#connections]) connection.breakOff()
    this.engine.empty(this.#wallMs())
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection)
    const place = this.#waiting.indexOf(connection)
    if (place >= 0) this.#waiting.splice(place, 1)
    if (this.#holder === connection) {
      this.engine.script('rollback', this.#wallMs())
      this.#letGo()
    }
  }

  /** Does what has arrived on a connection, as far as no other one's transaction stands in the way. */
  pump(connection: Connection): void {
    while (connection.inbox.length > 0 && (this.#holder === undefined || this.#holder === connection)) {
      this.#execute(connection, connection.inbox.shift() as Unit)
    }
    if (connection.inbox.length > 0 && !this.#waiting.includes(connection)) {
      this.#waiting.push(connection)
      this.world.plan(STATEMENT_TIMEOUT_MS, undefined, () => this.#giveUpWaiting(connection))
    }
  }

  #execute(connection: Connection, unit: Unit): void {
    const { faults, chance, engine } = this
    const label = labelOf(unit)
    const said = (what: string) => this.world.tell('sql', engine.name, connection.process.name, what, label)
    const fate = faults.forStatement(engine.name, chance)
    if (fate === 'lost') {
      said('LOST, not done:')
      connection.breakOff()
      return
    }
    if (fate === 'conflict' && /^(?!begin|commit|rollback)/.test(label)) {
      said('CONFLICT:')
      const inTransaction = this.#holder === connection
      if (inTransaction) engine.raw(refusal.raise(), this.#wallMs())
      connection.answer(Buffer.concat([refusal.deadlock(), ready(inTransaction ? 'E' : 'I')]), 1)
      return
    }
    const { bytes, wasKnown } = withoutKnownParse(unit, engine.known)
    let answer = engine.raw(bytes, this.#wallMs())
    if (wasKnown) answer = Buffer.concat([named.parseComplete, answer])
    else named.remember(unit, answer, engine.known)
    const status = statusOf(answer)
    if (status === 'I') this.commits++
    if (unit.effect !== undefined && foundNothing(answer)) faults.effects?.leftOut.add(unit.effect)
    said(fate === 'answer lost' ? 'done, ANSWER LOST:' : `${status} ${answer.length}:`)
    if (status === 'I') {
      if (this.#holder === connection) this.#letGo()
    } else this.#holder = connection
    if (fate === 'answer lost') connection.breakOff()
    else connection.answer(answer, fate === 'slow' ? chance.between(500, 40_000) : chance.between(0.05, 1))
    if (this.#holder === connection && connection.inbox.length === 0) this.#watchIdle(connection)
  }

  #letGo(): void {
    this.#holder = undefined
    const next = this.#waiting.shift()
    if (next) this.world.plan(0, undefined, () => this.pump(next))
  }

  #giveUpWaiting(connection: Connection): void {
    const place = this.#waiting.indexOf(connection)
    if (place < 0) return
    this.#waiting.splice(place, 1)
    connection.inbox.shift()
    connection.answer(Buffer.concat([refusal.statementTimeout(), ready('I')]), 0)
    this.pump(connection)
  }

  #watchIdle(connection: Connection): void {
    const { arrived } = connection
    this.world.plan(IDLE_IN_TRANSACTION_MS, undefined, () => {
      if (this.#holder === connection && connection.arrived === arrived) connection.breakOff()
    })
  }

  #wallMs(): number {
    return Math.floor(this.world.epochMs + this.world.now)
  }
}

export class Connection {
  readonly process: SimulatedProcess
  readonly inbox: Unit[] = []
  /** Units that arrived so far. */
  arrived = 0
  readonly #server: PostgresServer
  readonly #end: ClientEnd
  #lastArrival = 0
  #lastAnswer = 0
  #isOpen = true

  constructor(server: PostgresServer, process: SimulatedProcess, end: ClientEnd) {
    this.#server = server
    this.process = process
    this.#end = end
    process.onCrash(() => this.close())
    const { world } = server
    world.plan(this.#delay(), process, () => {
      if (!this.#isOpen) return
      if (server.isUp && !server.faults.isCut(process, server.engine.name)) end.opened()
      else this.breakOff(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))
    })
  }

  /** From the client. What it has sent arrives, even when it dies meanwhile. */
  send(unit: Unit): void {
    const { faults } = this.#server
    faults.effect(this.process, unit.kind === 'extended' || unit.kind === 'simple' ? () => `sql ${labelOf(unit)}` : undefined, () => {
      unit.effect = faults.effects?.count
      this.#inOrder(() => this.#arrive(unit))
    })
  }

  /** The client closes it, or is dead. */
  close(): void {
    if (!this.#isOpen) return
    this.#inOrder(() => {
      this.#isOpen = false
      this.#server.forget(this)
    })
  }

  /** The connection is gone, as the server and then the client notice. */
  breakOff(error: Error = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.inbox.length = 0
    this.#server.forget(this)
    this.#server.world.plan(this.#delay(), this.process, () => this.#end.broken(error))
  }

  answer(bytes: Buffer, ms: number): void {
    const { world } = this.#server
    this.#lastAnswer = Math.max(this.#lastAnswer, world.now + ms + this.#delay())
    world.plan(this.#lastAnswer - world.now, this.process, () => {
      if (this.#isOpen) this.#end.data(bytes)
    })
  }

  #arrive(unit: Unit): void {
    if (!this.#isOpen) return
    this.arrived++
    if (unit.kind === 'startup') this.answer(started(), 0)
    else if (unit.kind === 'end') this.close()
    else {
      this.inbox.push(unit)
      this.#server.pump(this)
    }
  }

  #inOrder(happen: () => void): void {
    const { world } = this.#server
    this.#lastArrival = Math.max(this.#lastArrival, world.now + this.#delay())
    world.plan(this.#lastArrival - world.now, undefined, happen)
  }

  #delay(): number {
    return this.#server.chance.between(0.05, 0.5)
  }
}
