import { ClientError, Metadata, ServerError, Status } from 'nice-grpc'
import { asServerError } from '../../../src/platform/grpc.ts'
import type { Log } from '../../../src/platform/log.ts'
import type { Chance } from '../world/chance.ts'
import type { CallFate, Faults } from '../world/faults.ts'
import type { SimulatedProcess } from '../world/process.ts'
import type { World } from '../world/world.ts'
import { namedIn } from './postgres-wire.ts'

/** One attempt at a call: its bytes travel, get lost, come twice or late, and so does the answer. */

type Codec = {
  encode(message: unknown): { finish(): Uint8Array }
  decode(bytes: Uint8Array): unknown
  fromPartial?(message: unknown): unknown
}
export type Method = { name: string; requestType: Codec; responseType: Codec; responseStream: boolean }
export type Handler = (request: unknown, context: object) => Promise<unknown> | AsyncIterable<unknown>

export const encode = (codec: Codec, message: unknown): Uint8Array =>
  Uint8Array.from(codec.encode(codec.fromPartial?.(message) ?? message).finish())

/** A process that serves. */
export type Instance = {
  process: SimulatedProcess
  log: Log
  services: Map<string, { methods: Record<string, Method>; handlers: Record<string, Handler> }>
  openCalls: Set<Attempt>
}

export type Outgoing = {
  world: World
  faults: Faults
  chance: Chance
  client: SimulatedProcess
  definition: { fullName: string }
  methodKey: string
  request: Uint8Array
}
type Ears = { message(bytes: Uint8Array): void; end(): void; fail(error: Error): void }

export class Attempt {
  readonly #call: Outgoing
  readonly #ears: Ears
  readonly #giveUp: AbortController[] = []
  #instance: Instance | undefined
  #isOver = false
  #lastReply = 0

  constructor(call: Outgoing, ears: Ears) {
    this.#call = call
    this.#ears = ears
  }

  get path(): string {
    return `/${this.#call.definition.fullName}/${this.#call.methodKey}`
  }

  send(instance: Instance): void {
    const { world, faults, chance, client, request } = this.#call
    this.#instance = instance
    const fate = faults.forCall(chance)
    const delay = this.#delay() + fate.slowMs
    faults.effect(
      client,
      () => `call ${this.path} ${namedIn(Buffer.from(request))}`,
      () => {
        world.tell('call', `${client.name} > ${instance.process.name}`, this.path, fate.request, namedIn(Buffer.from(request)))
        instance.openCalls.add(this)
        if (fate.request === 'lost' || faults.isCut(client, instance.process.name)) return
        world.plan(delay, undefined, () => this.#arrive(instance, fate))
        if (fate.request === 'doubled') world.plan(delay + chance.between(0, 10_000), undefined, () => this.#arrive(instance, fate))
      },
    )
  }

  /** The caller no longer listens. */
  cancel(): void {
    this.#finish()
    for (const server of this.#giveUp) server.abort()
  }

  /** The connection broke: the process at its other end is gone. */
  broken(): void {
    const { world, chance, client } = this.#call
    // Now and then nobody tells: the whole machine is gone.
    if (chance.hits(0.2)) return
    world.plan(this.#delay(), client, () => this.#fail(Status.UNAVAILABLE, 'connection dropped'))
  }

  #arrive(instance: Instance, fate: CallFate): void {
    const { world } = this.#call
    if (!instance.process.isAlive) this.broken()
    else world.plan(0, instance.process, () => void this.#serve(instance, fate))
  }

  async #serve(instance: Instance, fate: CallFate): Promise<void> {
    const { definition, methodKey, request } = this.#call
    const service = instance.services.get(definition.fullName)
    const method = service?.methods[methodKey]
    const handler = service?.handlers[methodKey]
    if (!method || !handler) return this.#replyError(instance, fate, new ServerError(Status.UNIMPLEMENTED, 'no such method'))
    const abort = new AbortController()
    this.#giveUp.push(abort)
    const context = {
      ...{ metadata: new Metadata(), header: new Metadata(), trailer: new Metadata() },
      ...{ signal: abort.signal, peer: this.#call.client.name, sendHeader: () => {} },
    }
    const reply = (value: unknown) => this.#reply(instance, fate, encode(method.responseType, value))
    try {
      const result = handler.call(service.handlers, method.requestType.decode(request), context)
      if (method.responseStream) for await (const value of result as AsyncIterable<unknown>) reply(value)
      else reply(await result)
      this.#reply(instance, fate, undefined)
    } catch (error) {
      this.#replyError(instance, fate, asServerError(error, { rpc: this.path, log: instance.log }))
    }
  }

  #replyError(instance: Instance, fate: CallFate, error: unknown): void {
    const [code, details] = error instanceof ServerError ? [error.code, error.details] : [Status.CANCELLED, 'cancelled']
    this.#travelBack(instance, fate, `error ${Status[code]}`, () => this.#fail(code, details))
  }

  /** A message of the answer; undefined: its end. */
  #reply(instance: Instance, fate: CallFate, bytes: Uint8Array | undefined): void {
    const label = bytes ? namedIn(Buffer.from(bytes)) : ''
    this.#travelBack(instance, fate, bytes ? `answer ${label}` : undefined, () => {
      if (this.#isOver) return
      if (bytes) return this.#ears.message(bytes)
      this.#finish()
      this.#ears.end()
    })
  }

  #travelBack(instance: Instance, fate: CallFate, label: string | undefined, arrive: () => void): void {
    const { world, faults, client } = this.#call
    this.#lastReply = Math.max(this.#lastReply, world.now + this.#delay())
    const act = () => {
      if (label) world.tell('reply', `${instance.process.name} > ${client.name}`, this.path, fate.reply, label)
      if (fate.reply === 'lost' || faults.isCut(instance.process, client.name)) return
      world.plan(this.#lastReply - world.now, client, arrive)
    }
    faults.effect(instance.process, label === undefined ? undefined : () => `reply ${this.path} ${label}`, act)
  }

  #fail(code: Status, details: string): void {
    if (this.#isOver) return
    this.#finish()
    this.#ears.fail(new ClientError(this.path, code, details))
  }

  #finish(): void {
    this.#isOver = true
    this.#instance?.openCalls.delete(this)
  }

  #delay(): number {
    return this.#call.chance.between(0.1, 2)
  }
}
