import { EventEmitter } from 'node:events'
import { currentProcess, type SimulatedProcess } from '../world/process.ts'
import { type Connection, serverOf, type Unit } from './postgres-server.ts'

/** The client's end of a connection, as node-postgres wants it: what it writes is cut into units that the server answers as one. */
export class SimulatedSocket extends EventEmitter {
  writable = false
  readonly #process: SimulatedProcess
  #connection: Connection | undefined
  #rest: Buffer = Buffer.alloc(0)
  #hasStarted = false
  #messages: Buffer[] = []
  #isClosed = false

  constructor() {
    super()
    const process = currentProcess()
    if (!process) throw new Error('a simulated connection was opened outside of a simulated process')
    this.#process = process
  }

  /** `host` names the database: postgres://<database>.simulated/…. */
  connect(_port: number, host: string): this {
    const server = serverOf(this.#process.world, host)
    this.#connection = server.connect(this.#process, {
      opened: () => {
        this.writable = true
        this.emit('connect')
      },
      data: (bytes) => this.emit('data', bytes),
      broken: (error) => this.#broken(error),
    })
    return this
  }

  write(bytes: Buffer, done?: () => void): boolean {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes
    for (let unit = this.#nextUnit(); unit; unit = this.#nextUnit()) this.#connection?.send(unit)
    done?.()
    return true
  }

  end(): this {
    this.#connection?.close()
    this.#broken()
    return this
  }

  destroy(error?: Error): this {
    this.#connection?.close()
    this.#broken(error)
    return this
  }

  setNoDelay = () => this
  setKeepAlive = () => this
  ref = () => this
  unref = () => this
  cork(): void {}
  uncork(): void {}

  #broken(error?: Error): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.writable = false
    // As a socket does it: after the caller has gone on.
    this.#process.world.plan(0, this.#process, () => {
      if (error) this.emit('error', error)
      this.emit('close', error !== undefined)
    })
  }

  /** Messages up to a Sync or a simple query. */
  #nextUnit(): Unit | undefined {
    for (;;) {
      const header = this.#hasStarted ? 1 : 0
      if (this.#rest.length < header + 4) return undefined
      const length = header + this.#rest.readInt32BE(header)
      if (this.#rest.length < length) return undefined
      const message = this.#rest.subarray(0, length)
      this.#rest = this.#rest.subarray(length)
      if (!this.#hasStarted) {
        this.#hasStarted = true
        return { kind: 'startup', messages: [message] }
      }
      this.#messages.push(message)
      const type = String.fromCharCode(message[0] as number)
      if (type !== 'S' && type !== 'Q' && type !== 'X') continue
      const messages = this.#messages
      this.#messages = []
      return { kind: type === 'X' ? 'end' : type === 'Q' ? 'simple' : 'extended', messages }
    }
  }
}
