import { ClientError, Status } from 'nice-grpc'
import { HealthDefinition, HealthServiceImpl } from 'nice-grpc-server-health'
import { type Transport, transports } from '../../../src/platform/transport.ts'
import type { Faults } from '../world/faults.ts'
import { currentProcess, type SimulatedProcess } from '../world/process.ts'
import type { World } from '../world/world.ts'
import { Attempt, encode, type Handler, type Instance, type Method, type Outgoing } from './calls.ts'

/** Calls between simulated processes: the real clients' and services' code, real protobuf bytes, no sockets. */

/** Host of simulated addresses. */
export const SIMULATED = 'simulated'
/** As in grpc.ts: a call that met a dead instance is tried once on another. */
const FAIL_OVER_AFTER_MS = 20
const NOT_FAILED_OVER = new Set(['adjustStock'])

type Network = { faults: Faults; instances: Map<string, Instance[]> }
const networks = new WeakMap<World, Network>()

export function openNetwork(world: World, faults: Faults): void {
  networks.set(world, { faults, instances: new Map() })
  transports.set(SIMULATED, { serve, connect })
}

function here(): { process: SimulatedProcess; network: Network } {
  const process = currentProcess()
  const network = process && networks.get(process.world)
  if (!network) throw new Error('simulated calls are for simulated processes')
  return { process, network }
}

const serve: Transport['serve'] = async (definition, implementation, { address, log }) => {
  const { process, network } = here()
  const all = network.instances.get(address) ?? []
  network.instances.set(address, all)
  const instance: Instance = { process, log, services: new Map(), openCalls: new Set() }
  const add = ({ fullName, methods }: { fullName: string; methods: object }, handlers: object) =>
    instance.services.set(fullName, { methods: methods as Record<string, Method>, handlers: handlers as Record<string, Handler> })
  add(definition as never, implementation)
  add(HealthDefinition, HealthServiceImpl())
  all.push(instance)
  const leave = () => void all.splice(all.indexOf(instance) >>> 0, 1)
  process.onCrash(() => {
    leave()
    for (const call of instance.openCalls) call.broken()
  })
  return { port: Number(address.split(':')[1]), drain: () => {}, stop: async () => leave() }
}

const connect: Transport['connect'] = (definition, address, timeoutMs) => {
  const { process, network } = here()
  const chance = process.chance.split(`calls/${definition.fullName}/${address}`)
  let turn = chance.int(0, 7)
  const nextInstance = () => {
    const all = network.instances.get(address) ?? []
    return all[turn++ % Math.max(1, all.length)]
  }
  const client: Record<string, unknown> = { close: () => {} }
  for (const [methodKey, method] of Object.entries(definition.methods as unknown as Record<string, Method>)) {
    const start = (request: unknown, options: Options, ears: CallEars) => {
      const outgoing: Outgoing = {
        ...{ world: process.world, faults: network.faults, chance, client: process },
        ...{ definition: definition as unknown as Outgoing['definition'], methodKey, request: encode(method.requestType, request) },
      }
      startCall({ outgoing, nextInstance, options: { deadline: timeoutMs, ...options }, ears })
    }
    client[methodKey] = method.responseStream
      ? (request: unknown, options: Options = {}) => streamOf(method, (ears) => start(request, options, ears))
      : (request: unknown, options: Options = {}) =>
          new Promise((resolve, reject) => {
            start(request, options, {
              message: (answer) => resolve(method.responseType.decode(answer)),
              end: () => reject(new Error('the answer was empty')),
              fail: reject,
            })
          })
  }
  return client as never
}

type Options = { deadline?: number | Date; signal?: AbortSignal }
type CallEars = { message(bytes: Uint8Array): void; end(): void; fail(error: Error): void }
type Start = { outgoing: Outgoing; nextInstance: () => Instance | undefined; options: Options; ears: CallEars }

function startCall({ outgoing, nextInstance, options: { deadline, signal }, ears }: Start): void {
  const { world, client, definition, methodKey } = outgoing
  const path = `/${definition.fullName}/${methodKey}`
  let attempt: Attempt | undefined
  let heard = false
  let isOver = false
  const finish = (tell: () => void) => {
    if (isOver) return
    isOver = true
    timer?.cancel()
    tell()
  }
  const giveUp = (error: Error) =>
    finish(() => {
      attempt?.cancel()
      ears.fail(error)
    })
  const ms = deadline instanceof Date ? deadline.getTime() - client.wallClock() : deadline
  const timer =
    ms === undefined
      ? undefined
      : world.plan(ms, client, () => giveUp(new ClientError(path, Status.DEADLINE_EXCEEDED, 'Deadline exceeded')))
  const abort = () => giveUp(Object.assign(new Error('The operation has been aborted'), { name: 'AbortError' }))
  if (signal?.aborted) abort()
  else signal?.addEventListener('abort', abort)

  const go = (triesLeft: number) => {
    if (isOver) return
    const fail = (error: Error) => {
      const isDown = error instanceof ClientError && error.code === Status.UNAVAILABLE
      if (isDown && !heard && triesLeft > 0) world.plan(FAIL_OVER_AFTER_MS, client, () => go(triesLeft - 1))
      else finish(() => ears.fail(error))
    }
    const instance = nextInstance()
    if (!instance) {
      world.plan(1, client, () => fail(new ClientError(path, Status.UNAVAILABLE, 'No connection established')))
      return
    }
    attempt = new Attempt(outgoing, {
      message(bytes) {
        heard = true
        if (!isOver) ears.message(bytes)
      },
      end: () => finish(ears.end),
      fail,
    })
    attempt.send(instance)
  }
  go(NOT_FAILED_OVER.has(methodKey) ? 0 : 1)
}

/** A stream of answers, as `for await` reads them. */
async function* streamOf(method: Method, start: (ears: CallEars) => void): AsyncGenerator<unknown> {
  const arrived: unknown[] = []
  let error: Error | undefined
  let isOver = false
  let wake = () => {}
  start({
    message(bytes) {
      arrived.push(method.responseType.decode(bytes))
      wake()
    },
    end() {
      isOver = true
      wake()
    },
    fail(why) {
      error = why
      isOver = true
      wake()
    },
  })
  for (;;) {
    while (arrived.length > 0) yield arrived.shift()
    if (error) throw error
    if (isOver) return
    await new Promise<void>((resolve) => {
      wake = resolve
    })
  }
}
