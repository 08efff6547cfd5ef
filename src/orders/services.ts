import { ExponentialBackoff, handleWhenResult, retry } from 'cockatiel'
import { type ClientError, Status } from 'nice-grpc'
import { HealthDefinition } from 'nice-grpc-server-health'
import { InventoryServiceDefinition } from '../gen/comanda/v1/inventory.ts'
import { PaymentServiceDefinition } from '../gen/comanda/v1/payment.ts'
import { ShippingServiceDefinition } from '../gen/comanda/v1/shipping.ts'
import { batched } from '../platform/batched.ts'
import type { Config } from '../platform/config.ts'
import { connectGrpc, isTooOld, isUnavailable } from '../platform/grpc.ts'
import type { Log } from '../platform/log.ts'
import { type Answer, done, fromWire, type Outcome, unavailable } from '../platform/outcome.ts'
import { type Breaker, breakerFor, type Health, healthOf, ServiceDownError } from './health.ts'
import type { Order, OrderShipment, StepService } from './order.ts'
import type { Services } from './place-order.ts'

/** The other services as the saga sees them: one order at a time, behind each call a batch, a breaker and a few tries. */

const BATCH = { max: 256, concurrency: 4 }

/** Calls many, answers many; what the wire or the breaker did to the call is told apart from what the service said. */
type CallMany<Command, Value> = (commands: Command[]) => Promise<Answer<Value>[]>

function patient<Command, Value>(
  name: string,
  callMany: CallMany<Command, Value>,
  breaker: Breaker,
): (command: Command) => Promise<Outcome<Value>> {
  // A call that failed as a whole, for no reason of the network, is tried again in halves: one bad item fails alone.
  const splitOn = (error: unknown) => !isUnavailable(error) && !(error instanceof ServiceDownError)
  const call = batched<Command, Answer<Value>>((commands) => breaker.execute(() => callMany(commands)), { name, ...BATCH, splitOn })
  const once = async (command: Command): Promise<Outcome<Value> & { broken?: boolean }> => {
    try {
      return await call(command)
    } catch (error) {
      return { ...unavailable(`${breaker.service} ${whatHappened(error)}`), broken: error instanceof ServiceDownError }
    }
  }
  // Unknown or unavailable is asked again with the same key: short here, long when the order is parked. A known-dead service is not waited for.
  const again = retry(
    handleWhenResult((result) => {
      const outcome = result as Outcome<Value> & { broken?: boolean }
      return outcome.kind === 'unknown' || (outcome.kind === 'unavailable' && !outcome.broken)
    }),
    { maxAttempts: 2, backoff: new ExponentialBackoff({ initialDelay: 60, maxDelay: 500 }) },
  )
  return (command) => again.execute(() => once(command))
}

/** For people: what became of a call that was not answered. */
function whatHappened(error: unknown): string {
  if (error instanceof ServiceDownError) return 'is down'
  if ((error as Error)?.name === 'AbortError' || (error as ClientError)?.code === Status.DEADLINE_EXCEEDED) return 'did not answer in time'
  if (isUnavailable(error)) return "can't be reached"
  if (isTooOld(error)) return 'is of an older version that can not do this yet'
  return 'failed'
}

export type ConnectedServices = Services & { health: Health; close(): void }

export function connectServices({ addresses, timeoutMs }: Config['grpc'], log: Log): ConnectedServices {
  const watched = (service: StepService) => watch(service, addresses[service], log)
  const [inventory, payment, shipping] = [watched('inventory'), watched('payment'), watched('shipping')]
  const connections = [
    connectInventory(addresses.inventory, timeoutMs, inventory.breaker),
    connectPayment(addresses.payment, timeoutMs, payment.breaker),
    connectShipping(addresses.shipping, timeoutMs, shipping.breaker),
  ] as const
  return {
    ...connections[0].calls,
    ...connections[1].calls,
    ...connections[2].calls,
    health: healthOf({ inventory: inventory.breaker, payment: payment.breaker, shipping: shipping.breaker }),
    close() {
      for (const connection of [...connections, inventory, payment, shipping]) connection.close()
    },
  }
}

const PROBE_MS = 1_000
/** grpc.health.v1.HealthCheckResponse.ServingStatus */
const SERVING = 1

/** A breaker that asks the standard health check of each instance: a service is down when none answers. */
function watch(service: StepService, address: string, log: Log): { breaker: Breaker; close(): void } {
  const instances = address.split(',').map((one) => connectGrpc(HealthDefinition, one, { timeoutMs: PROBE_MS, service }))
  const isServing = async (instance: (typeof instances)[number]) => {
    const { status } = await instance.check({ service: '' })
    if (status !== SERVING) throw new Error('not serving')
    return true
  }
  const breaker = breakerFor({ service, probe: () => Promise.any(instances.map(isServing)), random: Math.random, log })
  return {
    breaker,
    close() {
      breaker.close()
      for (const instance of instances) instance.close()
    },
  }
}

const keyOf = (order: Order) => ({ orderId: order.id, requestId: order.request_id, traceparent: order.traceparent })

function connectInventory(address: string, timeoutMs: number, breaker: Breaker) {
  const client = connectGrpc(InventoryServiceDefinition, address, timeoutMs)
  const reserve = patient(
    'reserve stock',
    async (orders: Order[]) => {
      const commands = orders.map((order) => ({
        ...keyOf(order),
        currency: order.currency,
        items: order.items.map((item) => ({ productId: item.product_id, quantity: item.quantity })),
      }))
      return (await client.reserveStock({ commands })).outcomes.map(fromWire)
    },
    breaker,
  )
  const release = patient(
    'release stock',
    async (orders: Order[]) => (await client.releaseStock({ commands: orders.map(keyOf) })).outcomes.map(fromWire),
    breaker,
  )
  const commit = patient(
    'commit stock',
    async (commands: { orderId: string; requestId: string; traceparent: string; locationIds: string[] }[]) => {
      return (await client.commitStock({ commands })).outcomes.map(fromWire)
    },
    breaker,
  )
  const calls: Pick<Services, 'reserveStock' | 'releaseStock' | 'commitStock'> = {
    reserveStock: reserve,
    releaseStock: release,
    commitStock: (order, locationIds) => commit({ ...keyOf(order), locationIds }),
  }
  return { calls, close: () => client.close() }
}

function connectPayment(address: string, timeoutMs: number, breaker: Breaker) {
  const client = connectGrpc(PaymentServiceDefinition, address, timeoutMs)
  const calls: Pick<Services, 'authorisePayment' | 'voidPayment' | 'capturePayment'> = {
    authorisePayment: patient(
      'authorise payments',
      async (orders: Order[]) => {
        const commands = orders.map((order) => ({
          ...keyOf(order),
          method: order.payment_method,
          token: order.payment_token,
          amountMinor: order.total_minor,
          currency: order.currency,
        }))
        return (await client.authorizePayments({ commands })).outcomes.map(fromWire)
      },
      breaker,
    ),
    voidPayment: patient(
      'void payments',
      async (orders: Order[]) => (await client.voidPayments({ commands: orders.map(keyOf) })).outcomes.map(fromWire),
      breaker,
    ),
    capturePayment: patient(
      'capture payments',
      async (orders: Order[]) => (await client.capturePayments({ commands: orders.map(keyOf) })).outcomes.map(fromWire),
      breaker,
    ),
  }
  return { calls, close: () => client.close() }
}

function connectShipping(address: string, timeoutMs: number, breaker: Breaker) {
  const client = connectGrpc(ShippingServiceDefinition, address, timeoutMs)
  const create = patient(
    'create shipments',
    async (commands: Parameters<typeof client.createShipments>[0]['commands'] & object) => {
      return (await client.createShipments({ commands })).outcomes.map(fromWire)
    },
    breaker,
  )
  const calls: Pick<Services, 'createShipments' | 'cancelShipments'> = {
    async createShipments(order, parcels) {
      const { postal_code: postalCode, ...rest } = order.address ?? { postal_code: '' }
      const address = order.address ? { ...(rest as Omit<typeof order.address, 'postal_code'>), postalCode } : undefined
      const outcome = await create({ ...keyOf(order), shippingMethod: order.shipping_method, address, parcels })
      return outcome.kind === 'done' ? done(outcome.value.shipments.map(orderShipment)) : outcome
    },
    cancelShipments: patient(
      'cancel shipments',
      async (orders: Order[]) => (await client.cancelShipments({ commands: orders.map(keyOf) })).outcomes.map(fromWire),
      breaker,
    ),
  }
  return { calls, close: () => client.close() }
}

function orderShipment(shipment: {
  id: string
  status: string
  locationId: string
  carrier: string
  trackingNumber: string
  items: { productId: string; quantity: number }[]
}): OrderShipment {
  return {
    id: shipment.id,
    status: 'created',
    location_id: shipment.locationId,
    carrier: shipment.carrier,
    tracking_number: shipment.trackingNumber,
    items: shipment.items.map((item) => ({ product_id: item.productId, quantity: item.quantity })),
    stock_committed: false,
  }
}
