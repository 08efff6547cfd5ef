import { ServerError, type ServiceImplementation, Status } from 'nice-grpc'
import { buildGateway } from '../../src/gateway/app.ts'
import { type Clients, connectClients } from '../../src/gateway/clients.ts'
import type { GatewayDependencies } from '../../src/gateway/dependencies.ts'
import { InventoryServiceDefinition, Product } from '../../src/gen/comanda/v1/inventory.ts'
import { Order, OrdersServiceDefinition, type PlaceOrderCommand, type PlaceOrdersResponse } from '../../src/gen/comanda/v1/orders.ts'
import { PaymentServiceDefinition } from '../../src/gen/comanda/v1/payment.ts'
import { Shipment, ShippingServiceDefinition } from '../../src/gen/comanda/v1/shipping.ts'
import { serveGrpc } from '../../src/platform/grpc.ts'
import { silentLog } from '../../src/platform/log.ts'
import { type Answer, done, toWire } from '../../src/platform/outcome.ts'

/** The services behind the gateway, as real gRPC servers that answer what a test says. */
export type Fakes = {
  orders?: Partial<ServiceImplementation<OrdersServiceDefinition>>
  inventory?: Partial<ServiceImplementation<InventoryServiceDefinition>>
  payment?: Partial<ServiceImplementation<PaymentServiceDefinition>>
  shipping?: Partial<ServiceImplementation<ShippingServiceDefinition>>
}

/** Not less: a first call connects, and has the JavaScript of both ends compiled, on a machine that may be busy. */
const RPC_MS = 4_000
/** Else a busy machine has the gateway refuse what a test is about. */
const NEVER_LATE = () => 0
const NOWHERE = '127.0.0.1:1'

/** A gateway on fakes; a service without a fake can't be reached. */
export async function gatewayOn(fakes: Fakes, waitMs = 5_000) {
  const servers = await Promise.all([
    serve(OrdersServiceDefinition, fakes.orders),
    serve(InventoryServiceDefinition, fakes.inventory),
    serve(PaymentServiceDefinition, fakes.payment),
    serve(ShippingServiceDefinition, fakes.shipping),
  ])
  const [orders, inventory, payment, shipping] = servers.map((server) => (server ? `127.0.0.1:${server.port}` : NOWHERE)) as [
    string,
    string,
    string,
    string,
  ]
  const addresses = { orders, inventory, payment, shipping }
  const clients = connectClients({ host: '', ports: {} as never, addresses, timeoutMs: RPC_MS })
  const app = await buildGateway({ clients, waitMs, ordersAtOnce: 1_000, lagMs: NEVER_LATE, log: silentLog() })
  return {
    app,
    async close() {
      await app.close()
      clients.close()
      await Promise.all(servers.map((server) => server?.stop()))
    },
  }
}

/** A gateway on functions in place of gRPC clients, for what never gets that far. */
export const gatewayWith = (clients: Partial<Clients>, more: Partial<GatewayDependencies> = {}) =>
  buildGateway({ clients: clients as Clients, waitMs: 1_000, ordersAtOnce: 1_000, lagMs: NEVER_LATE, log: silentLog(), ...more })

async function serve<S extends Parameters<typeof serveGrpc>[0]>(definition: S, methods: object | undefined) {
  if (!methods) return undefined
  const unforeseen = async () => {
    throw new ServerError(Status.UNIMPLEMENTED, 'the test has no answer for this')
  }
  const all = Object.fromEntries(Object.keys((definition as unknown as { methods: object }).methods).map((name) => [name, unforeseen]))
  return serveGrpc(definition, { ...all, ...methods } as never, { address: '127.0.0.1:0', log: silentLog() })
}

/** An order as orders tells it. */
export function orderOf(command: Pick<PlaceOrderCommand, 'orderId'>, more: Parameters<typeof Order.fromPartial>[0] = {}): Order {
  const at = new Date('2026-01-01T00:00:00Z')
  return Order.fromPartial({ id: command.orderId, userId: 'u123', status: 'pending', version: 1, createdAt: at, updatedAt: at, ...more })
}

export const product = (more: Parameters<typeof Product.fromPartial>[0] = {}): Product =>
  Product.fromPartial({ id: 'a1', name: 'Anvil', unitPriceMinor: 995, currency: 'EUR', status: 'active', createdAt: new Date(0), ...more })

export const shipment = (more: Parameters<typeof Shipment.fromPartial>[0] = {}): Shipment =>
  Shipment.fromPartial({ id: `${ID}-1`, orderId: ID, status: 'created', createdAt: new Date(0), updatedAt: new Date(0), ...more })

type Outcome = { index: number; ended: boolean; answer: Answer<Order> }
/** One message of the stream of PlaceOrders. */
export const message = (outcomes: Outcome[]): PlaceOrdersResponse => ({
  outcomes: outcomes.map(({ index, ended, answer }) => ({ index, ended, ...toWire(answer, (order: Order) => order) })),
})

/** An orders service that accepts all and ends each as `end` says. */
export function ordersThat(end: (command: PlaceOrderCommand) => Answer<Order>): Partial<ServiceImplementation<OrdersServiceDefinition>> {
  return {
    async *placeOrders({ commands }) {
      yield message(commands.map((command, index) => ({ index, ended: false, answer: done(orderOf(command)) })))
      yield message(commands.map((command, index) => ({ index, ended: true, answer: end(command) })))
    },
  }
}

export const BODY = {
  user_id: 'u123',
  items: [
    { product_id: 'a1', quantity: 2 },
    { product_id: 'b2', quantity: 1 },
  ],
  payment_method: 'credit_card',
}
export const ID = '0199d3c2-0000-7000-8000-000000000001'
