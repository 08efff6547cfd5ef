import { ServerError, type ServiceImplementation, Status } from 'nice-grpc'
import type { Broker } from '../broker/broker.ts'
import type { OrdersServiceDefinition } from '../gen/comanda/v1/orders.ts'
import { isUuid } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import { type Answer, done, refused, toWire, unknown } from '../platform/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import { unforeseen } from '../platform/unforeseen.ts'
import type { Coordinator } from './coordinator.ts'
import { countDead, countParked, type DeskFilter, listDeadOrders } from './desk-store.ts'
import type { Health } from './health.ts'
import { orderMessage } from './messages.ts'
import { type Change, type Order, STEPS, type StepService, tellable } from './order.ts'
import { cancelDead, type Hand, retryDead } from './parking.ts'
import { getOrders } from './store.ts'

/** The fallback queue to look at, and the dead-letter desk to act from. */

const MAX_PAGE = 200
/** Orders that one call takes from the desk. */
const MOST_AT_ONCE = 1_000
/** A page about the queue is not kept waiting by a broker that hangs. */
const BROKER_PATIENCE_MS = 1_000

type Dependencies = { db: Database; coordinator: Coordinator; health: Health; broker: Broker | undefined; log: Log }
type DeskRpcs = 'getQueue' | 'listDeadLetters' | 'resolveDeadLetters' | 'listDeadMessages' | 'resolveDeadMessages'

export function deskService({
  db,
  coordinator,
  health,
  broker,
  log,
}: Dependencies): Pick<ServiceImplementation<OrdersServiceDefinition>, DeskRpcs> {
  return {
    async getQueue() {
      const [parked, deadLetters, depth] = await Promise.all([countParked(db), countDead(db), brokerDepth(broker)])
      return {
        parked: parked.map(({ service, work, count, oldest_since, next_try_at }) => ({
          ...{ service, work, count, oldestSince: oldest_since, nextTryAt: next_try_at },
          isDown: STEPS.includes(service as StepService) && health.isDown(service as StepService),
        })),
        deadLetters,
        brokerIsUp: depth !== undefined,
        brokerQueues: (depth ?? []).map(({ queue: name, ...numbers }) => ({ name, ...numbers })),
      }
    },
    async listDeadLetters({ filter, after, limit: asked }) {
      const limit = Math.min(Math.max(asked, 1), MAX_PAGE)
      const orders = await listDeadOrders(db, { ...filterOf(filter), after, limit })
      return { orders: orders.map(orderMessage), next: orders.length === limit ? (orders.at(-1)?.id ?? '') : '' }
    },
    async resolveDeadLetters({ action, orderIds, filter, dryRun, actor, reason, requestId }) {
      if (action !== 'retry' && action !== 'cancel') throw new ServerError(Status.INVALID_ARGUMENT, `no action ${action}`)
      if (!actor || !reason) throw new ServerError(Status.INVALID_ARGUMENT, 'actor and reason must be given')
      const ids = [...new Set(orderIds)]
      const limit = MOST_AT_ONCE
      const found = ids.length > 0 ? await named(ids) : await listDeadOrders(db, { ...filterOf(filter), after: '', limit })
      const orders = new Map(found.map((order) => [order.id, order]))
      const hand = { actor, reason }
      const letters = await Promise.all(
        (ids.length > 0 ? ids : [...orders.keys()]).map(async (orderId) => {
          const decision = decide(orderId, { order: orders.get(orderId), action, hand })
          const answer = 'kind' in decision ? decision : dryRun ? done(decision.order) : await write(decision, requestId)
          return { orderId, ...toWire(answer, orderMessage) }
        }),
      )
      log.info({ request_id: requestId, action, actor, reason, dry_run: dryRun, orders: letters.length }, 'dead-letter desk')
      return { letters, more: ids.length === 0 && found.length === limit }
    },
    async listDeadMessages({ after, limit: asked }) {
      const limit = Math.min(Math.max(asked, 1), MAX_PAGE)
      const letters = await reachable(broker).dead.list({ limit, ...(after && { after }) })
      const messages = letters.map(({ key, queue, body, error, attempts, diedAt }) => ({
        ...{ key, queue, body: JSON.stringify(body), error, attempts, diedAt },
      }))
      return { messages, next: letters.length === limit ? (letters.at(-1)?.key ?? '') : '' }
    },
    async resolveDeadMessages({ action, keys, actor, reason, requestId }) {
      if (action !== 'retry' && action !== 'discard') throw new ServerError(Status.INVALID_ARGUMENT, `no action ${action}`)
      if (!actor || !reason) throw new ServerError(Status.INVALID_ARGUMENT, 'actor and reason must be given')
      const { dead } = reachable(broker)
      const count = await (action === 'retry' ? dead.requeue(keys) : dead.discard(keys))
      log.info({ request_id: requestId, action, actor, reason, keys, count }, 'dead messages')
      return { count }
    },
  }

  async function named(ids: string[]): Promise<Order[]> {
    return [...(await getOrders(db, ids.filter(isUuid))).values()]
  }

  /** Written if the order has not moved on; it is taken up by whoever is free. */
  async function write(change: Change, requestId: string): Promise<Answer<Order>> {
    const { id } = change.order
    const saved = await coordinator.save(change)
    if (!saved) return unknown(`order ${id} has just moved on; look again`)
    log.info({ order_id: id, request_id: requestId, ...(change.event && tellable(change.event)) }, change.event?.type)
    return done(saved)
  }
}

function decide(
  orderId: string,
  { order, action, hand }: { order: Order | undefined; action: 'retry' | 'cancel'; hand: Hand },
): Change | Answer<Order> {
  if (!order) return refused('unknown_order', `there is no order ${orderId}`)
  if (!order.dead_at) return refused('not_dead', `order ${orderId} does not lie on the dead-letter desk`)
  if (action === 'retry') return retryDead(order, hand)
  switch (order.work) {
    case 'place':
    case 'cancel':
      return cancelDead(order, hand)
    case 'undo':
      return refused('order_ended', `order ${orderId} is ${order.status} already; what is left to be undone can only be retried`)
    case 'settle':
      return refused('already_dispatched', `the goods of order ${orderId} have left; what is left to be settled can only be retried`)
    case null:
      return refused('not_dead', `order ${orderId} has nothing left to do`)
    default:
      return unforeseen(order.work)
  }
}

const filterOf = (filter: DeskFilter | undefined): DeskFilter => ({
  service: filter?.service ?? '',
  work: filter?.work ?? '',
  deadReason: filter?.deadReason ?? '',
})

function reachable(broker: Broker | undefined): Broker {
  if (broker) return broker
  throw new ServerError(Status.UNAVAILABLE, 'there is no broker')
}

/** Undefined when the broker does not answer in time. */
async function brokerDepth(broker: Broker | undefined) {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), BROKER_PATIENCE_MS)
  })
  const depth = broker?.depth().catch(() => undefined)
  return Promise.race([depth, patience]).finally(() => clearTimeout(timer))
}
