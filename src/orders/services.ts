import {
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhen,
  handleWhenResult,
  isBrokenCircuitError,
  retry,
} from 'cockatiel'
import { type ClientError, Status } from 'nice-grpc'
import { InventoryServiceDefinition } from '../gen/comanda/v1/inventory.ts'
import { PaymentServiceDefinition } from '../gen/comanda/v1/payment.ts'
import { ShippingServiceDefinition } from '../gen/comanda/v1/shipping.ts'
import { batched } from '../platform/batched.ts'
import type { Config } from '../platform/config.ts'
import { connectGrpc, isUnavailable } from '../platform/grpc.ts'
import { type Answer, done, fromWire, type Outcome, unavailable } from '../platform/outcome.ts'
import type { Order, OrderShipment, StepService } from './order.ts'
import type { Services } from './place-order.ts'

/** The other services as the saga sees them: one order at a time, behind each call a batch, a breaker and a few tries. */

const BATCH = { max: 256, concurrency: 4 }

/** Calls many, answers many; what the wire or the breaker did to the call is told apart from what the service said. */
type CallMany<Command, Value> = (commands: Command[]) => Promise<Answer<Value>[]>

type Breaker = ReturnType<typeof breakerFor>

function patient<Command, Value>(callMany: CallMany<Command, Value>, breaker: Breaker): (command: Command) => Promise<Outcome<Value>> {
  // A call that failed as a whole, for no reason of the network, is tried again in halves: one bad item fails alone.
  const splitOn = (error: unknown) => !isUnavailable(error) && !isBrokenCircuitError(error)
  const call = batched<Command, Answer<Value>>((commands) => breaker.policy.execute(() => callMany(commands)), { ...BATCH, splitOn })
  const once = async (command: Command): Promise<Outcome<Value> & { broken?: boolean }> => {
    try {
      return await call(command)
    } catch (error) {
      return { ...unavailable(`${breaker.service} ${whatHappened(error)}`), broken: isBrokenCircuitError(error) }
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

const breakerFor = (service: StepService) => ({
  service,
  policy: circuitBreaker(handleWhen(isUnavailable), { halfOpenAfter: 1_000, breaker: new ConsecutiveBreaker(3) }),
})

/** For people: what became of a call that was not answered. */
function whatHappened(error: unknown): string {
  if (isBrokenCircuitError(error)) return 'is unavailable'
  if ((error as Error)?.name === 'AbortError' || (error as ClientError)?.code === Status.DEADLINE_EXCEEDED) return 'did not answer in time'
  if (isUnavailable(error)) return "can't be reached"
  return 'failed'
}

export function connectServices({ addresses, timeoutMs }: Config['grpc']): Services & { close(): void } {
  const inventory = connectInventory(addresses.inventory, timeoutMs)
  const payment = connectPayment(addresses.payment, timeoutMs)
  const shipping = connectShipping(addresses.shipping, timeoutMs)
  return {
    ...inventory.calls,
    ...payment.calls,
    ...shipping.calls,
    close() {
      for (const service of [inventory, payment, shipping]) service.close()
    },
  }
}

const keyOf = (order: Order) => ({ orderId: order.id, requestId: order.request_id })

function connectInventory(address: string, timeoutMs: number) {
  const client = connectGrpc(InventoryServiceDefinition, address, timeoutMs)
  const breaker = breakerFor('inventory')
  const reserve = patient(async (orders: Order[]) => {
    const commands = orders.map((order) => ({
      ...keyOf(order),
      currency: order.currency,
      items: order.items.map((item) => ({ productId: item.product_id, quantity: item.quantity })),
    }))
    return (await client.reserveStock({ commands })).outcomes.map(fromWire)
  }, breaker)
  const release = patient(
    async (orders: Order[]) => (await client.releaseStock({ commands: orders.map(keyOf) })).outcomes.map(fromWire),
    breaker,
  )
  const commit = patient(async (commands: { orderId: string; requestId: string; locationIds: string[] }[]) => {
    return (await client.commitStock({ commands })).outcomes.map(fromWire)
  }, breaker)
  const calls: Pick<Services, 'reserveStock' | 'releaseStock' | 'commitStock'> = {
    reserveStock: reserve,
    releaseStock: release,
    commitStock: (order, locationIds) => commit({ ...keyOf(order), locationIds }),
  }
  return { calls, close: () => client.close() }
}

function connectPayment(address: string, timeoutMs: number) {
  const client = connectGrpc(PaymentServiceDefinition, address, timeoutMs)
  const breaker = breakerFor('payment')
  const calls: Pick<Services, 'authorisePayment' | 'voidPayment' | 'capturePayment'> = {
    authorisePayment: patient(async (orders: Order[]) => {
      const commands = orders.map((order) => ({
        ...keyOf(order),
        method: order.payment_method,
        token: order.payment_token,
        amountMinor: order.total_minor,
        currency: order.currency,
      }))
      return (await client.authorizePayments({ commands })).outcomes.map(fromWire)
    }, breaker),
    voidPayment: patient(
      async (orders: Order[]) => (await client.voidPayments({ commands: orders.map(keyOf) })).outcomes.map(fromWire),
      breaker,
    ),
    capturePayment: patient(
      async (orders: Order[]) => (await client.capturePayments({ commands: orders.map(keyOf) })).outcomes.map(fromWire),
      breaker,
    ),
  }
  return { calls, close: () => client.close() }
}

function connectShipping(address: string, timeoutMs: number) {
  const client = connectGrpc(ShippingServiceDefinition, address, timeoutMs)
  const breaker = breakerFor('shipping')
  const create = patient(async (commands: Parameters<typeof client.createShipments>[0]['commands'] & object) => {
    return (await client.createShipments({ commands })).outcomes.map(fromWire)
  }, breaker)
  const calls: Pick<Services, 'createShipments' | 'cancelShipments'> = {
    async createShipments(order, parcels) {
      const { postal_code: postalCode, ...rest } = order.address ?? { postal_code: '' }
      const address = order.address ? { ...(rest as Omit<typeof order.address, 'postal_code'>), postalCode } : undefined
      const outcome = await create({ ...keyOf(order), shippingMethod: order.shipping_method, address, parcels })
      return outcome.kind === 'done' ? done(outcome.value.shipments.map(orderShipment)) : outcome
    },
    cancelShipments: patient(
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
