import { setTimeout as delay } from 'node:timers/promises'
import {
  type CompatServiceDefinition,
  type Server,
  ServerError,
  type ServerMiddleware,
  type ServiceImplementation,
  Status,
} from 'nice-grpc'
import { HealthDefinition, HealthServiceImpl, HealthState } from 'nice-grpc-server-health'
import { FaultControlServiceDefinition, type Fault as FaultMessage } from '../gen/comanda/v1/faults.ts'
import { type Fault, type Faults, MOST_FAULTS, openFaults, problemWithFault } from './faults.ts'
import type { Log } from './log.ts'
import { type Answer, done, refused, toWire } from './outcome.ts'
import { unforeseen } from './unforeseen.ts'

/** Faults on purpose, on a server: they strike the calls of its service, never those to the health check or to FaultControl. docs/FAULTS.md */

type Context = { log: Log; health?: HealthState; random?: () => number; die?: (why: string) => Promise<never> }

/** Adds the services, open to faults, with a FaultControl and a health check that tells when a fault has taken all of it down. */
export function addWithFaults(
  server: Server,
  services: readonly { definition: CompatServiceDefinition; implementation: object }[],
  { log, health = HealthState(), random = Math.random, die = dieAtOnce }: Context,
): { drain(): void } {
  const faults = openFaults({ now: () => performance.now(), random })
  let isDraining = false
  const tellHealth = healthOf(() => isDraining || faults.isDown(), { faults, health })
  const struck = server.with(injectFaults(faults, { log, die }))
  for (const { definition, implementation } of services) struck.add(definition, implementation as never)
  const methods = services.flatMap(({ definition }) => methodsOf(definition))
  server.add(FaultControlServiceDefinition, faultControl(faults, { methods, tellHealth, log }))
  server.add(HealthDefinition, HealthServiceImpl(health))
  log.warn('faults on purpose can be set: COMANDA_FAULTS is on')
  return {
    drain() {
      isDraining = true
      tellHealth()
    },
  }
}

function injectFaults(faults: Faults, { log, die }: Required<Pick<Context, 'log' | 'die'>>): ServerMiddleware {
  return async function* (call, context) {
    const method = call.method.path.slice(call.method.path.lastIndexOf('/') + 1)
    const strike = faults.strike(method)
    if (!strike) return yield* call.next(call.request, context)
    const { kind, latencyMs } = strike
    log.info({ rpc: method, fault: kind ?? 'latency', ...(latencyMs > 0 && { latency_ms: latencyMs }) }, 'fault on purpose')
    // The caller may give up meanwhile; the work is done all the same, late: that is what a slow service does.
    if (latencyMs > 0) await delay(latencyMs)
    const why = `fault on purpose: ${kind} at ${method}`
    switch (kind) {
      case undefined:
        return yield* call.next(call.request, context)
      case 'unavailable':
        throw new ServerError(Status.UNAVAILABLE, why)
      case 'error':
        throw new ServerError(Status.INTERNAL, why)
      case 'lose-reply':
        await doTheWork(call.next(call.request, context))
        throw new ServerError(Status.UNAVAILABLE, why)
      case 'crash-before':
        return await die(why)
      case 'crash-after':
        await doTheWork(call.next(call.request, context))
        return await die(why)
      default:
        return unforeseen(kind)
    }
  }
}

/** Up to where the answer would be sent; of a stream, its first message. Fails when the work does. */
async function doTheWork(answers: AsyncGenerator<unknown, unknown>): Promise<void> {
  await answers.next()
  await answers.return(undefined)
}

/** As kill -9 would: nothing is finished, flushed or told. Only standard error gets a line, so that nobody looks for a bug. */
function dieAtOnce(why: string): Promise<never> {
  process.stderr.write(`${why}: this process kills itself\n`)
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => {})
}

/** @returns to be called whenever the faults have changed; the end of a fault by time is looked after here. */
function healthOf(isDown: () => boolean, { faults, health }: { faults: Faults; health: HealthState }): () => void {
  let timer: NodeJS.Timeout | undefined
  const tell = () => {
    clearTimeout(timer)
    health.setStatus(isDown() ? 'unhealthy' : 'healthy')
    const endMs = faults.nextEndMs()
    if (endMs !== undefined) timer = setTimeout(tell, Math.ceil(endMs) + 1).unref()
  }
  return tell
}

type Control = { methods: readonly string[]; tellHealth: () => void; log: Log }

function faultControl(faults: Faults, { methods, tellHealth, log }: Control): ServiceImplementation<typeof FaultControlServiceDefinition> {
  return {
    async setFaults({ commands }) {
      const answers = commands.map(({ faultId, kind, ...rest }): Answer<Fault> => {
        const wanted = { ...rest, id: faultId, kind: kind as Fault['kind'] }
        const problem = problemWithFault(wanted, methods)
        if (problem) return refused('invalid_request', problem)
        const others = faults.list().filter((fault) => fault.id !== faultId)
        if (others.length >= MOST_FAULTS) return refused('too_many_faults', `there are ${MOST_FAULTS} faults already: clear some`)
        log.warn({ fault_id: faultId, kind, ...rest }, 'fault set')
        return done(faults.set(wanted))
      })
      tellHealth()
      return { outcomes: answers.map((answer) => toWire(answer, faultMessage)) }
    },
    async listFaults() {
      return { faults: faults.list().map(faultMessage) }
    },
    async clearFaults() {
      const cleared = faults.clear()
      tellHealth()
      if (cleared > 0) log.warn({ cleared }, 'faults cleared')
      return { cleared }
    },
  }
}

function faultMessage({ id, kind, method, rate, latencyMs, count, struck, endsAt }: Fault): FaultMessage {
  const endsInMs = Math.max(0, Math.ceil(endsAt - performance.now()))
  return { faultId: id, kind, method, rate, latencyMs, count, struck, endsInMs }
}

const methodsOf = (definition: CompatServiceDefinition): string[] =>
  Object.values((definition as unknown as { methods: Record<string, { name: string }> }).methods).map(({ name }) => name)
