import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Urls } from '../../src/audit/sessions.ts'
import { InventoryServiceDefinition } from '../../src/gen/comanda/v1/inventory.ts'
import { type Order, OrdersServiceDefinition, PlaceOrderCommand } from '../../src/gen/comanda/v1/orders.ts'
import { PaymentServiceDefinition } from '../../src/gen/comanda/v1/payment.ts'
import { ShippingServiceDefinition } from '../../src/gen/comanda/v1/shipping.ts'
import { startInventory } from '../../src/inventory/start.ts'
import { startOrders } from '../../src/orders/start.ts'
import { startPayment } from '../../src/payment/start.ts'
import { OWNERS, type OwnerName, readConfig } from '../../src/platform/config.ts'
import { connectGrpc } from '../../src/platform/grpc.ts'
import { newId } from '../../src/platform/ids.ts'
import { silentLog } from '../../src/platform/log.ts'
import { startShipping } from '../../src/shipping/start.ts'
import { testDatabase } from '../support/database.ts'
import { freePorts } from '../support/system.ts'
import { until } from '../support/until.ts'

/** A small history in which every end of an order occurs, made by the real services: what the audit must find clean. */

export const ENDINGS = [
  ...['confirmed', 'cash', 'free', 'split', 'dispatched', 'delivered', 'cash_delivered', 'part_dispatched'],
  ...['cancelled', 'out_of_stock', 'declined', 'carrier_refused', 'total_mismatch', 'wrong_amount', 'answer_lost'],
] as const
export type Ending = (typeof ENDINGS)[number]
export type Ids = Record<Ending, string>

type Wish = Partial<Omit<PlaceOrderCommand, 'items'>> & { items: Record<string, number>; discount?: number }

const WISHES: Record<Ending, Wish> = {
  confirmed: { items: { a1: 2, b2: 1 }, idempotencyKey: 'key-confirmed', discount: 1_250, freightMinor: 490 },
  cash: { items: { a1: 1 }, paymentMethod: 'cash_on_delivery', idempotencyKey: 'key-cash' },
  free: { items: { gift: 1 } },
  split: { items: { spread: 5, a1: 1 } },
  dispatched: { items: { a1: 3 } },
  delivered: { items: { b2: 2 } },
  cash_delivered: { items: { a1: 1 }, paymentMethod: 'cash_on_delivery' },
  part_dispatched: { items: { spread: 5 } },
  cancelled: { items: { a1: 4 } },
  out_of_stock: { items: { rare: 2 } },
  declined: { items: { a1: 1 }, paymentToken: 'tok_declined', freightMinor: 100 },
  carrier_refused: {
    items: { a1: 1 },
    address: { name: 'Base', line1: 'Ice 1', line2: '', city: 'McMurdo', region: '', postalCode: '0', country: 'AQ' },
  },
  total_mismatch: { items: { a1: 1 }, expectedTotalMinor: 1 },
  wrong_amount: { items: { a1: 1 }, paymentToken: 'tok_wrong_amount' },
  answer_lost: { items: { a1: 1 }, paymentToken: 'tok_error_500' },
}

const PRODUCTS: Record<string, { price: number; stock: Record<string, number> }> = {
  a1: { price: 333, stock: { madrid: 100, sevilla: 5 } },
  b2: { price: 1_999, stock: { madrid: 50 } },
  gift: { price: 0, stock: { madrid: 10 } },
  rare: { price: 500, stock: { madrid: 1 } },
  spread: { price: 70, stock: { madrid: 6, sevilla: 4 } },
}

/** Starts the four services on these databases, lets the history happen, and stops them. */
export async function makeHistory(urls: Urls): Promise<Ids> {
  const ports = await freePorts(OWNERS.length)
  const broker = await testDatabase('broker')
  const config = readConfig({
    ...Object.fromEntries(OWNERS.map((owner, i) => [`${owner.toUpperCase()}_PORT`, String(ports[i])])),
    BROKER_DATABASE_URL: broker.url,
  })
  const start = { inventory: startInventory, payment: startPayment, shipping: startShipping, orders: startOrders }
  const running = await Promise.all(OWNERS.map((owner) => start[owner]({ config, databaseUrl: urls[owner], log: silentLog() })))
  const { addresses } = config.grpc
  const orders = connectGrpc(OrdersServiceDefinition, addresses.orders, 20_000)
  const inventory = connectGrpc(InventoryServiceDefinition, addresses.inventory, 5_000)
  const payment = connectGrpc(PaymentServiceDefinition, addresses.payment, 5_000)
  const shipping = connectGrpc(ShippingServiceDefinition, addresses.shipping, 5_000)
  const clients = [orders, inventory, payment, shipping]
  const order = async (id: string) => (await orders.getOrders({ orderIds: [id] })).orders[0] as Order

  try {
    await inventory.createProducts({ products: productsWanted() } as never)
    const ids = Object.fromEntries(ENDINGS.map((ending) => [ending, newId()])) as Ids
    // Drained, so that every order has ended.
    for await (const _ of orders.placeOrders({ commands: ENDINGS.map((ending) => commandOf(ids[ending], WISHES[ending])) })) {
    }
    const parcelsOf = async (ending: Ending, most = 9) =>
      (await order(ids[ending])).shipments.slice(0, most).map(({ id }) => ({ shipmentId: id, requestId: '' }))
    await until('the orders to be confirmed', async () => (await order(ids.answer_lost)).status === 'confirmed')
    await orders.cancelOrders({ commands: [{ orderId: ids.cancelled, requestId: '', reason: 'changed my mind' }] })
    const leaving = [
      ...(await parcelsOf('dispatched')),
      ...(await parcelsOf('delivered')),
      ...(await parcelsOf('cash_delivered')),
      ...(await parcelsOf('part_dispatched', 1)),
    ]
    await shipping.dispatchShipments({ commands: leaving })
    await shipping.deliverShipments({ commands: [...(await parcelsOf('delivered')), ...(await parcelsOf('cash_delivered'))] })
    await until('the goods to be delivered and paid', async () => {
      const list = await Promise.all(
        (['dispatched', 'delivered', 'cash_delivered', 'part_dispatched'] as const).map((ending) => order(ids[ending])),
      )
      return list.every(({ payment: paid, waiting }) => paid?.status === 'captured' && !waiting) && list[2]?.status === 'delivered'
    })
    await payment.refundPayments({ commands: [{ orderId: ids.delivered, requestId: '', refundId: 'r1', amountMinor: 500 }] })
    await atRest(urls)
    return ids
  } finally {
    for (const client of clients) client.close()
    await Promise.all(running.map((service) => service.stop()))
    await broker.drop()
  }
}

const productsWanted = () =>
  Object.entries(PRODUCTS).map(([id, { price, stock }]) => ({
    ...{ id, name: id, unitPriceMinor: price, currency: 'EUR', weightGrams: 10, status: 'active' },
    stock: Object.entries(stock).map(([locationId, onHand]) => ({ locationId, onHand, reserved: 0 })),
  }))

function commandOf(orderId: string, { items, discount = 0, ...wish }: Wish): PlaceOrderCommand {
  return PlaceOrderCommand.fromPartial({
    ...{ orderId, userId: 'u1', paymentMethod: 'credit_card', shippingMethod: 'standard', expectedTotalMinor: -1, ...wish },
    items: Object.entries(items).map(([productId, quantity]) => ({ productId, quantity, discountBasisPoints: discount })),
  })
}

async function atRest(urls: Urls): Promise<void> {
  const zero = (url: string, count: string) => until(`${count} to be 0`, async () => (await execute(url, count))[0]?.count === 0)
  await zero(urls.orders, 'select count(*)::int as count from orders where work is not null')
  await zero(urls.shipping, 'select count(*)::int as count from facts where told_at is null')
  await zero(urls.shipping, 'select count(*)::int as count from order_shipments where carrier_cancel_due')
}

/** Runs SQL, several statements at once if need be. */
export async function execute(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text)).rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}

/** Copies of one or more of the databases, for a test to spoil; the others are used as they are. `drop` when done. */
export async function spoilable(urls: Urls, owners: readonly OwnerName[]): Promise<{ urls: Urls; drop(): Promise<void> }> {
  const server = process.env.TEST_POSTGRES_URL as string
  const copies = owners.map((owner) => {
    const original = new URL(urls[owner])
    const name = `test_spoilt_${randomBytes(5).toString('hex')}`
    return { owner, name, from: original.pathname.slice(1), url: Object.assign(new URL(original), { pathname: `/${name}` }).toString() }
  })
  for (const { name, from } of copies) await execute(server, `create database ${name} template ${from}`)
  return {
    urls: { ...urls, ...Object.fromEntries(copies.map(({ owner, url }) => [owner, url])) },
    async drop() {
      for (const { name } of copies) await execute(server, `drop database ${name} with (force)`)
    },
  }
}
