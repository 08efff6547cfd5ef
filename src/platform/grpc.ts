import { readFile } from 'node:fs/promises'
import { isIP, isIPv4 } from 'node:net'
import {
  ChannelCredentials,
  type Client,
  ClientError,
  type CompatServiceDefinition,
  createChannel,
  createClientFactory,
  createServer,
  type Server,
  ServerError,
  type ServerMiddleware,
  type ServiceImplementation,
  Status,
} from 'nice-grpc'
import { type DeadlineOptions, deadlineMiddleware } from 'nice-grpc-client-middleware-deadline'
import { HealthDefinition, HealthServiceImpl, HealthState } from 'nice-grpc-server-health'
import { ServerReflection, ServerReflectionService } from 'nice-grpc-server-reflection'
import { FaultControlServiceDefinition } from '../gen/comanda/v1/faults.ts'
import { homeOf } from './callers.ts'
import type { Config, OwnerName } from './config.ts'
import { addWithFaults } from './fault-server.ts'
import type { Log } from './log.ts'
import { measureMade, measureServed } from './measured-calls.ts'
import { meter } from './metrics.ts'
import { type MutualTls, mutualTls, tellWhoIsTurnedAway } from './mutual-tls.ts'
import { isDatabaseDown } from './postgres.ts'
import { traceMade, traceServed } from './traced-calls.ts'
import { tracer } from './tracing.ts'
import { transportOf } from './transport.ts'

/** gRPC between services: servers with health and reflection, clients with deadlines. */

const MAX_MESSAGE_BYTES = 16 * 1024 * 1024
const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // A service that comes back should be found within a second, not after the default two minutes.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // Likewise what stands behind a name, which is asked again when a connection has ended: not only every 30 s.
  'grpc.dns_min_time_between_resolutions_ms': 5_000,
}
/**
 * A call that met an instance which is dead, or dies under it, is tried at once on another: what is called is safe to repeat. A count of stock is left out:
 * its repeat would be told that the stock has changed. Where every instance is down the tokens run out, and calls fail at once as they do with one.
 */
const FAIL_OVER = {
  retryThrottling: { maxTokens: 20, tokenRatio: 0.5 },
  methodConfig: [
    {
      name: [{}],
      retryPolicy: {
        ...{ maxAttempts: 2, initialBackoff: '0.02s', maxBackoff: '0.02s', backoffMultiplier: 1 },
        // UNIMPLEMENTED: the instance is of an older version, and does not know the call; another may.
        retryableStatusCodes: ['UNAVAILABLE', 'UNIMPLEMENTED'],
      },
    },
    { name: [{ service: 'comanda.v1.InventoryService', method: 'AdjustStock' }] },
  ],
}

/** `drain`: the health check says from now on that this instance takes no calls; those that come all the same are answered. */
export type GrpcServer = { port: number; drain(): void; stop(): Promise<void> }

/** A service with what does its work; {@link served} checks that the two belong together. */
export type Served = { definition: CompatServiceDefinition; implementation: object }
export const served = <S extends CompatServiceDefinition>(definition: S, implementation: ServiceImplementation<S>): Served => ({
  definition,
  implementation,
})

type ServeOptions = {
  address: string
  log: Log
  faults?: Config['faults']
  /** Whether it tells what can be called, and how: for tools, not in production. */
  reflection?: Config['grpc']['reflection']
  /** Smaller services at the same address, struck by the same faults. */
  beside?: readonly Served[]
  tls?: MutualTls | undefined
}

/** Serves one service with standard health checking; open to faults on purpose when they are on. @throws when the address is taken. */
export async function serveGrpc<S extends CompatServiceDefinition>(
  definition: S,
  implementation: ServiceImplementation<S>,
  { address, log, faults = 'off', reflection = 'off', beside = [], tls = mutualTls() }: ServeOptions,
): Promise<GrpcServer> {
  const other = transportOf(address)
  if (other) return other.serve(definition, implementation, { address, log })
  const to = meter()
  const bare = createServer({ 'grpc.max_receive_message_length': MAX_MESSAGE_BYTES })
  const traces = tracer()
  const measured = (to ? bare.use(measureServed(to)) : bare).use(tellErrors(log))
  const server = traces ? measured.use(traceServed(traces)) : measured
  const all = [served(definition, implementation), ...beside]
  const health = HealthState()
  let drain = () => health.setStatus('unhealthy')
  if (faults === 'on') drain = addWithFaults(server, all, { log, health }).drain
  else {
    for (const one of all) server.add(one.definition, one.implementation as never)
    server.add(HealthDefinition, HealthServiceImpl(health))
  }
  if (reflection === 'on')
    await addReflection(server, [...all.map(nameOf), ...(faults === 'on' ? [FaultControlServiceDefinition.fullName] : [])])
  const port = tls ? await tellWhoIsTurnedAway(log, () => server.listen(address, tls.server(log))) : await server.listen(address)
  return {
    port,
    drain,
    stop: async () => {
      // grpc-js finishes calls in flight but may wait for idle connections for ever.
      const forced = setTimeout(() => server.forceShutdown(), 10_000)
      await server.shutdown()
      clearTimeout(forced)
    },
  }
}

async function addReflection(server: Server, names: string[]): Promise<void> {
  const descriptors = await readFile(new URL('../gen/descriptors.binpb', import.meta.url))
  server.add(ServerReflectionService, ServerReflection(descriptors, names))
}

const nameOf = ({ definition }: Pick<Served, 'definition'>) => String((definition as { fullName?: string }).fullName)

function tellErrors(log: Log): ServerMiddleware {
  return async function* (call, context) {
    try {
      return yield* call.next(call.request, context)
    } catch (error) {
      throw asServerError(error, { rpc: call.method.path, log })
    }
  }
}

/** A database that is down is "unavailable", never "internal": callers try again. Anything unforeseen is logged here. */
export function asServerError(error: unknown, { rpc, log }: { rpc: string; log: Log }): unknown {
  if (error instanceof ServerError || (error as Error)?.name === 'AbortError') return error
  if (isDatabaseDown(error)) {
    log.warn({ rpc, error: (error as Error).message }, 'database unavailable')
    return new ServerError(Status.UNAVAILABLE, 'the database is unavailable')
  }
  if (isUnavailable(error) || isTooOld(error)) {
    log.warn({ rpc, error: (error as Error).message }, 'a service that this needs is away')
    return new ServerError(Status.UNAVAILABLE, "a service that this needs can't be reached, or is of an older version")
  }
  log.error({ rpc, err: error }, 'call failed')
  return new ServerError(Status.INTERNAL, 'internal error')
}

export type GrpcClient<S extends CompatServiceDefinition> = Client<S, DeadlineOptions> & { close(): void }

/** Calls go round the instances of a service. */
const ROUND_ROBIN = [{ round_robin: {} }]
/**
 * With several instances, one that hangs (a paused machine, a stopped process) is left out for a while: its connection stays open, so that without
 * this half of all calls would go to it and wait for their deadline. One instance alone is never left out: so of a name, which may stand for
 * one or for many, two must have been asked.
 */
const aroundTheHanging = (askedAtLeast: number) => [
  {
    outlier_detection: {
      interval: { seconds: 1, nanos: 0 },
      base_ejection_time: { seconds: 2, nanos: 0 },
      max_ejection_time: { seconds: 10, nanos: 0 },
      max_ejection_percent: 50,
      failure_percentage_ejection: { threshold: 50, enforcement_percentage: 100, minimum_hosts: askedAtLeast, request_volume: 2 },
      child_policy: ROUND_ROBIN,
    },
  },
]

/** How calls are shared out among what stands at `address`. */
function balancing(address: string) {
  if (address.includes(',')) return aroundTheHanging(1)
  return isIP(address.slice(0, address.lastIndexOf(':')).replace(/[[\]]/g, '')) ? ROUND_ROBIN : aroundTheHanging(2)
}

/** From `host:port`, or `ip:port,ip:port` for several instances, to what the channel connects to. */
function targetOf(address: string): string {
  if (!address.includes(',')) return address
  return `${isIPv4(address.slice(0, address.indexOf(':'))) ? 'ipv4' : 'ipv6'}:${address}`
}

/** Deadline of a call; `service` says whose health check it is, and the like: what each service has. */
type Calls = number | { timeoutMs: number; service: OwnerName; tls?: MutualTls | undefined }

/**
 * A client with a deadline on every call. Connects by itself, and again when the service comes back. Calls go round the instances of the
 * service, and from a dead one to the next. With mutual TLS it speaks only to who has that service's certificate, at whatever address.
 */
export function connectGrpc<S extends CompatServiceDefinition>(definition: S, address: string, calls: Calls): GrpcClient<S> {
  const {
    timeoutMs,
    tls = mutualTls(),
    service = homeOf(nameOf({ definition })),
  } = typeof calls === 'number' ? { timeoutMs: calls } : calls
  const other = transportOf(address)
  if (other) return other.connect(definition, address, timeoutMs)
  if (tls && !service) throw new Error(`whose ${nameOf({ definition })} is meant must be said`)
  const channel = createChannel(targetOf(address), tls?.channel ?? ChannelCredentials.createInsecure(), {
    ...CHANNEL_OPTIONS,
    ...(tls && service && { 'grpc.ssl_target_name_override': service }),
    'grpc.service_config': JSON.stringify({
      ...FAIL_OVER,
      loadBalancingConfig: balancing(address),
    }),
  })
  const to = meter()
  const withDeadline = createClientFactory().use(deadlineMiddleware)
  const measured = to ? withDeadline.use(measureMade(to)) : withDeadline
  const traces = tracer()
  const factory = traces ? measured.use(traceMade(traces)) : measured
  const client = factory.create(definition, channel, { '*': { deadline: timeoutMs } } as never)
  return Object.assign(client as Client<S, DeadlineOptions>, { close: () => channel.close() })
}

/** Whether a failed call says nothing about what was decided: the service is down, slow, or the connection broke. */
export function isUnavailable(error: unknown): boolean {
  if ((error as Error)?.name === 'AbortError') return true
  if (!(error instanceof ClientError)) return false
  // A connection that breaks in the middle of a frame is told as an error of the protocol. What a service itself says is never worded so.
  if (error.code === Status.INTERNAL) return error.details.startsWith('Received RST_STREAM')
  return [Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.RESOURCE_EXHAUSTED, Status.CANCELLED].includes(error.code)
}

/** Whether a call was not known to who was called: a service of an older version, in the middle of an upgrade. Nothing was done. */
export const isTooOld = (error: unknown): boolean => error instanceof ClientError && error.code === Status.UNIMPLEMENTED
