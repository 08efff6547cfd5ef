import { type CallContext, ServerError, type ServiceImplementation, Status } from 'nice-grpc'
import type { Broker } from '../broker/broker.ts'
import type { OrdersServiceDefinition, PlaceOrderOutcome } from '../gen/comanda/v1/orders.ts'
import { followed } from '../platform/followed.ts'
import type { Log } from '../platform/log.ts'
import { meter } from '../platform/metrics.ts'
import { type Answer, done, refused, toWire } from '../platform/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import { inTrace } from '../platform/tracing.ts'
import { acceptOrders, type ProductCheck } from './accept.ts'
import { changeOrder } from './change.ts'
import type { Coordinator } from './coordinator.ts'
import { deskService } from './desk.ts'
import { alwaysUp, type Health } from './health.ts'
import { orderMessage } from './messages.ts'
import { type Change, nextStatuses, type Order, type OrderStatus, requestCancel } from './order.ts'
import { recordFacts } from './record.ts'
import * as store from './store.ts'

const MAX_PAGE = 200
/** How often an order that another process works on is looked at, while somebody waits for its end. */
const LOOK_EVERY_MS = 200

type Dependencies = {
  db: Database
  coordinator: Coordinator
  products: ProductCheck
  leaseMs: number
  log: Log
  health?: Health | undefined
  broker?: Broker | undefined
}

/** orders over gRPC: receives and coordinates. Rules in order.ts, the saga in place-order.ts, SQL in store.ts. */
export function ordersService({
  db,
  coordinator,
  products,
  leaseMs,
  log,
  health = alwaysUp,
  broker,
}: Dependencies): ServiceImplementation<OrdersServiceDefinition> {
  const to = meter()
  const change = (orderId: string, decide: (order: Order) => Change | Answer<Order>) =>
    changeOrder({ db, coordinator, log }, orderId, decide)
  return {
    ...deskService({ db, coordinator, health, broker, log }),
    async *placeOrders({ commands }, { signal }: CallContext) {
      const answers = await acceptOrders(followed(db, 'orders', commands), commands, { leaseMs, products })
      const ends = endsInOrder()
      const outcomes = answers.map((answer, index): PlaceOrderOutcome => {
        if (answer.kind !== 'done') return { index, ended: true, ...toWire(answer, orderMessage as never) }
        const { order, isNew } = answer.value
        if (isNew) {
          to?.count('comanda_order_events_total', { type: 'order.accepted' })
          // Whose it is stands in the database only, where it can be erased.
          log.info({ order_id: order.id, request_id: order.request_id, ...inTrace(order.traceparent) }, 'order.accepted')
        }
        const open = order.status === 'pending' && !order.waiting_service
        if (open) ends.expect(index, isNew ? coordinator.run(order) : endOf(order.id, signal))
        return { index, ended: !open, ...toWire(done(order), orderMessage) }
      })
      yield { outcomes }
      for await (const batch of ends) {
        yield { outcomes: batch.map(({ index, order }) => ({ index, ended: true, ...toWire(done(order), orderMessage) })) }
      }
    },
    async getOrders({ orderIds }) {
      const found = await store.getOrders(db, orderIds)
      return { orders: orderIds.flatMap((id) => found.get(id) ?? []).map(orderMessage) }
    },
    async listOrders({ queries }) {
      const pages = queries.map(async (query) => {
        if (query.status && !(query.status in nextStatuses)) throw new ServerError(Status.INVALID_ARGUMENT, `no status ${query.status}`)
        const limit = Math.min(Math.max(query.limit, 1), MAX_PAGE)
        const orders = await store.listOrders(db, {
          ...query,
          from: query.from,
          to: query.to,
          status: query.status as OrderStatus | '',
          limit,
        })
        return { orders: orders.map(orderMessage), next: orders.length === limit ? (orders.at(-1)?.id ?? '') : '' }
      })
      return { pages: await Promise.all(pages) }
    },
    async listOrderEvents({ orderIds }) {
      const found = await store.listEvents(db, orderIds)
      const histories = orderIds.map((orderId) => ({
        orderId,
        events: (found.get(orderId) ?? []).map((event) => ({
          id: event.id,
          type: event.type,
          at: event.at,
          data: JSON.stringify(event.data),
        })),
      }))
      return { histories }
    },
    async cancelOrders({ commands }) {
      const answers = commands.map((command) => cancelOne(command.orderId, command.reason))
      return { outcomes: (await Promise.all(answers)).map((answer) => toWire(answer, orderMessage)) }
    },
    async recordShipments({ facts }) {
      const answers = await recordFacts({ db, coordinator, log }, facts)
      return { outcomes: answers.map((answer) => toWire(answer, orderMessage)) }
    },
  }

  async function cancelOne(orderId: string, reason: string): Promise<Answer<Order>> {
    const answer = await change(orderId, (order) => {
      if (order.status === 'cancelled' || order.work === 'cancel') return done(order)
      if (order.status === 'pending' || order.status === 'confirmed') return requestCancel(order, reason)
      if (order.status === 'rejected') return refused('order_ended', `order ${orderId} was rejected; there is nothing to cancel`)
      return refused('already_dispatched', `order ${orderId} is ${order.status}; its goods have left`)
    })
    const order = answer.kind === 'done' ? answer.value : undefined
    if (!order || order.status === 'cancelled' || order.work === 'cancel') return answer
    return refused('already_dispatched', `the goods of order ${orderId} have left`)
  }

  /** The end of an order that this call did not start: here, in another process, or left by one that died. */
  async function endOf(orderId: string, signal: AbortSignal): Promise<Order> {
    for (;;) {
      const here = coordinator.running(orderId)
      if (here) return here
      const order = (await store.getOrders(db, [orderId])).get(orderId)
      if (order && (order.status !== 'pending' || order.waiting_service)) return order
      if (signal.aborted) throw new Error('nobody waits any more')
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  }
}

type End = { index: number; order: Order }

/** Ends of orders as they come, those that came together in one batch. */
function endsInOrder(): { expect(index: number, ended: Promise<Order>): void } & AsyncIterable<End[]> {
  let arrived: End[] = []
  let open = 0
  let wake = () => {}
  return {
    expect(index, ended) {
      open++
      ended
        .then((order) => arrived.push({ index, order }))
        .catch(() => {}) // the order goes on without us; whoever asks again will see it
        .finally(() => {
          open--
          wake()
        })
    },
    async *[Symbol.asyncIterator]() {
      while (open > 0 || arrived.length > 0) {
        if (arrived.length === 0)
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        await new Promise((resolve) => setImmediate(resolve)) // those of the same batch come along
        const batch = arrived
        arrived = []
        if (batch.length > 0) yield batch
      }
    },
  }
}
