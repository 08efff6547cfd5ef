import { HealthDefinition } from 'nice-grpc-server-health'
import { InventoryServiceDefinition, type Product } from '../gen/comanda/v1/inventory.ts'
import { OrdersServiceDefinition } from '../gen/comanda/v1/orders.ts'
import { PaymentServiceDefinition, type ReleasedCharge } from '../gen/comanda/v1/payment.ts'
import { type Erasure, PrivacyServiceDefinition } from '../gen/comanda/v1/privacy.ts'
import { ShippingServiceDefinition } from '../gen/comanda/v1/shipping.ts'
import { batched } from '../platform/batched.ts'
import { type Config, OWNERS } from '../platform/config.ts'
import { connectGrpc, type GrpcClient } from '../platform/grpc.ts'
import { fromWire } from '../platform/outcome.ts'
import { placer } from './place.ts'

/** The services as routes see them: calls for one, batched. */

const READS = { max: 256, concurrency: 4, maxQueued: 10_000 }
const WRITES = { max: 128, concurrency: 2, maxQueued: 5_000 }
const HEALTH_MS = 1_000
/** grpc.health.v1.HealthCheckResponse.ServingStatus */
const SERVING = 1

/** Reads by id, many at once: each gets its own, or undefined. */
function byId<T>(getMany: (ids: string[]) => Promise<T[]>, idOf: (found: T) => string): (id: string) => Promise<T | undefined> {
  return batched(async (ids) => {
    const found = new Map((await getMany([...new Set(ids)])).map((one) => [idOf(one), one]))
    return ids.map((id) => found.get(id))
  }, READS)
}

function orderCalls(orders: GrpcClient<OrdersServiceDefinition>, firstMs: number) {
  return {
    placeOrder: placer(orders, firstMs),
    getOrder: byId(
      async (orderIds) => (await orders.getOrders({ orderIds })).orders,
      (order) => order.id,
    ),
    listOrders: batched(
      async (queries: NonNullable<Parameters<typeof orders.listOrders>[0]['queries']>[number][]) =>
        (await orders.listOrders({ queries })).pages,
      READS,
    ),
    listOrderEvents: byId(
      async (orderIds) => (await orders.listOrderEvents({ orderIds })).histories,
      (history) => history.orderId,
    ),
    cancelOrder: batched(
      async (commands: { orderId: string; requestId: string; traceparent: string; reason: string }[]) =>
        (await orders.cancelOrders({ commands })).outcomes.map(fromWire),
      WRITES,
    ),
    // Asked by people, one at a time.
    getQueue: () => orders.getQueue({}),
    listDeadLetters: (query: Parameters<typeof orders.listDeadLetters>[0]) => orders.listDeadLetters(query),
    resolveDeadLetters: (request: Parameters<typeof orders.resolveDeadLetters>[0]) => orders.resolveDeadLetters(request),
    listDeadMessages: (query: { after: string; limit: number }) => orders.listDeadMessages(query),
    resolveDeadMessages: (request: Parameters<typeof orders.resolveDeadMessages>[0]) => orders.resolveDeadMessages(request),
  }
}

function productCalls(inventory: GrpcClient<InventoryServiceDefinition>) {
  return {
    getProduct: byId<Product>(
      async (productIds) => (await inventory.getProducts({ productIds })).products,
      (product) => product.id,
    ),
    listProducts: batched(
      async (queries: { after: string; limit: number; availableAtMost: number }[]) => (await inventory.listProducts({ queries })).pages,
      READS,
    ),
    createProduct: batched(
      async (products: Parameters<typeof Product.fromPartial>[0][]) =>
        (await inventory.createProducts({ products })).outcomes.map(fromWire),
      WRITES,
    ),
    receiveStock: batched(
      async (commands: { receiptId: string; productId: string; locationId: string; quantity: number; reason: string }[]) =>
        (await inventory.receiveStock({ commands })).outcomes.map(fromWire),
      WRITES,
    ),
    adjustStock: batched(
      async (commands: { productId: string; locationId: string; onHand: number; expectedOnHand: number; reason: string }[]) =>
        (await inventory.adjustStock({ commands })).outcomes.map(fromWire),
      WRITES,
    ),
  }
}

function paymentCalls(payment: GrpcClient<PaymentServiceDefinition>) {
  return {
    getPayment: byId(
      async (orderIds) => (await payment.getPayments({ orderIds })).payments,
      (found) => found.orderId,
    ),
    reconcile: batched(
      async (commands: { reconciliationId: string; requestId: string; since: Date | undefined; dryRun: boolean }[]) =>
        (await payment.reconcile({ commands })).outcomes.map(fromWire),
      WRITES,
    ),
    getReconciliation: byId(
      async (reconciliationIds) => (await payment.getReconciliations({ reconciliationIds })).reconciliations,
      (found) => found.id,
    ),
    // Asked by people, one page at a time.
    releaseCharges: async (commands: NonNullable<Parameters<typeof payment.releaseCharges>[0]['commands']>) =>
      (await payment.releaseCharges({ commands })).outcomes.map((outcome) => fromWire<ReleasedCharge>(outcome)),
    listDiscrepancies: batched(
      async (queries: { after: number; limit: number; all: boolean }[]) => (await payment.listDiscrepancies({ queries })).pages,
      READS,
    ),
  }
}

function shipmentCalls(shipping: GrpcClient<ShippingServiceDefinition>) {
  return {
    getShipment: byId(
      async (shipmentIds) => (await shipping.getShipments({ shipmentIds })).shipments,
      (shipment) => shipment.id,
    ),
    dispatchShipment: batched(
      async (commands: { shipmentId: string; requestId: string }[]) =>
        (await shipping.dispatchShipments({ commands })).outcomes.map(fromWire),
      WRITES,
    ),
    deliverShipment: batched(
      async (commands: { shipmentId: string; requestId: string }[]) =>
        (await shipping.deliverShipments({ commands })).outcomes.map(fromWire),
      WRITES,
    ),
  }
}

/** Asked by people, one at a time. */
function privacyCalls(privacy: GrpcClient<PrivacyServiceDefinition>) {
  return {
    eraseCustomer: async (command: { userId: string; requestId: string; reason: string; askedBy: string; dryRun: boolean }) =>
      fromWire<Erasure>((await privacy.eraseCustomers({ commands: [command] })).outcomes[0]),
    listErasures: async (query: { before: string; limit: number }) => (await privacy.listErasures({ queries: [query] })).pages[0],
  }
}

const STATES = ['ready', 'not serving', "can't be reached"] as const

async function stateOf(instance: GrpcClient<typeof HealthDefinition>): Promise<(typeof STATES)[number]> {
  try {
    const { status } = await instance.check({ service: '' })
    return status === SERVING ? 'ready' : 'not serving'
  } catch {
    return "can't be reached"
  }
}

export type Clients = ReturnType<typeof connectClients>

export function connectClients({ addresses, timeoutMs }: Config['grpc']) {
  const orders = connectGrpc(OrdersServiceDefinition, addresses.orders, timeoutMs)
  const privacy = connectGrpc(PrivacyServiceDefinition, addresses.orders, timeoutMs)
  const inventory = connectGrpc(InventoryServiceDefinition, addresses.inventory, timeoutMs)
  const payment = connectGrpc(PaymentServiceDefinition, addresses.payment, timeoutMs)
  const shipping = connectGrpc(ShippingServiceDefinition, addresses.shipping, timeoutMs)
  // Each instance for itself: one that is just being stopped says that it is not serving, and the service is there all the same.
  const health = OWNERS.map((owner) => ({
    owner,
    instances: addresses[owner]
      .split(',')
      .map((address) => connectGrpc(HealthDefinition, address, { timeoutMs: HEALTH_MS, service: owner })),
  }))
  return {
    ...orderCalls(orders, timeoutMs),
    ...privacyCalls(privacy),
    ...productCalls(inventory),
    ...paymentCalls(payment),
    ...shipmentCalls(shipping),
    /** By service: `ready`, or what is wrong. */
    async health(): Promise<Record<string, string>> {
      const states = health.map(async ({ owner, instances }): Promise<[string, string]> => {
        const found = await Promise.all(instances.map(stateOf))
        // Behind a DNS name there may be several: the next call goes to the next.
        const again = found.includes('ready') ? [] : await Promise.all(instances.map(stateOf))
        return [owner, STATES.find((state) => [...found, ...again].includes(state)) ?? "can't be reached"]
      })
      return Object.fromEntries(await Promise.all(states))
    },
    close() {
      for (const client of [orders, privacy, inventory, payment, shipping, ...health.flatMap(({ instances }) => instances)]) client.close()
    },
  }
}
