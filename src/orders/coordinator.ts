import { batched } from '../platform/batched.ts'
import { followed } from '../platform/followed.ts'
import type { Log } from '../platform/log.ts'
import { meter } from '../platform/metrics.ts'
import { type Database, isDatabaseDown } from '../platform/postgres.ts'
import { inTrace, tracer } from '../platform/tracing.ts'
import { unforeseen } from '../platform/unforeseen.ts'
import type { FallbackQueue } from './fallback-queue.ts'
import { alwaysUp, type Health } from './health.ts'
import { type Change, type Order, STEPS, type StepService, tellable } from './order.ts'
import { DEFAULT_LIMITS, netDelayMs, retryDelayMs } from './parking.ts'
import { cancelOrder, parkFor, placeOrder, type Services, type Surroundings, settleOrder, undoOrder } from './place-order.ts'
import * as store from './store.ts'

/** Runs the work of orders, parks what must wait, and takes up what was left lying. */

const SWEEP_EVERY_MS = 250
const SWEEP_AT_MOST = 256
/** Orders that the sweeper may have in work at once: a service that comes back meets a queue, not a herd. */
const SWEPT_AT_ONCE = 1_024
/** So long after a service came back its parked orders are left to the fallback queue. */
const QUEUE_FIRST_MS = 3_000
const AGED_EVERY_MS = 10_000

export type Coordinator = {
  /** Works on an order that this process holds the lease of, until it has nothing due. Resolves to the order as it then stands. */
  run(order: Order): Promise<Order>
  /** The run of an order in this process, if there is one. */
  running(orderId: string): Promise<Order> | undefined
  /** Writes one change; null when the order has moved on meanwhile. Batched. */
  save(change: Change): Promise<Order | null>
  /** Stops taking up orders and waits for those in work, up to `ms`. What is left is taken over when its lease runs out. */
  stop(ms: number): Promise<void>
}

type Dependencies = {
  db: Database
  services: Services
  around: Surroundings
  leaseMs: number
  log: Log
  /** Without it every service is taken for up. */
  health?: Health | undefined
  /** Without it parked orders are tried again by themselves. */
  queue?: FallbackQueue | undefined
}

export function startCoordinator({ db, services, around, leaseMs, log, health = alwaysUp, queue }: Dependencies): Coordinator {
  const runs = new Map<string, { ended: Promise<Order>; order: Order; leasedAt: number }>()

  const saveMany = (changes: readonly Change[]) =>
    store.saveChanges(
      followed(
        db,
        'orders',
        changes.map(({ order }) => order),
      ),
      changes,
      leaseMs,
    )
  // A change that fails for its own sake fails alone; when the database is down, halves would only ask it longer.
  const saveOne = batched<Change, store.Saved | null>(saveMany, {
    name: 'save orders',
    max: 256,
    concurrency: 4,
    splitOn: (error) => !isDatabaseDown(error),
  })
  const to = meter()
  const save = async (change: Change): Promise<Order | null> => {
    const service = queue?.isReachable() ? change.parkedFor : undefined
    // The broker brings it back; the time in its row is the net.
    const saved = await saveOne(service ? { ...change, dueInMs: netDelayMs(around.random()) } : change)
    const order = saved && { ...change.order, ...saved }
    if (order && change.event) to?.count('comanda_order_events_total', { type: change.event.type })
    if (order && change.parkedFor) {
      // Away, or only just: then it is asked again soon, and ever more rarely.
      const delayMs = health.isDown(change.parkedFor) ? 0 : retryDelayMs(order.attempts - 1, around.random())
      queue?.parked(order, { service: change.parkedFor, delayMs })
    }
    return order
  }

  // Parked like any other trouble: visible, tried again ever more rarely, and in nobody's way.
  const unforeseen = (order: Order, error: unknown): Change => {
    log.error(
      { order_id: order.id, request_id: order.request_id, ...inTrace(order.traceparent), work: order.work, err: error },
      'work on the order failed',
    )
    return parkFor(order, { service: 'orders', trouble: 'unforeseen', reason: 'an unexpected error; the log of orders has it' }, around)
  }

  const work = async (held: Order): Promise<Order> => {
    let order = held
    while (order.work) {
      const change = await next(order, services, around).catch((error: unknown) => unforeseen(order, error))
      const saved = await save(change)
      if (!saved) {
        // Cancelled, told of a shipment, or taken over meanwhile: whoever wrote that goes on from there.
        log.info(
          { order_id: order.id, request_id: order.request_id, ...inTrace(order.traceparent), work: order.work },
          'the order has moved on; leaving it',
        )
        return (await store.getOrders(db, [order.id])).get(order.id) ?? order
      }
      tell(log, change)
      if (change.dueInMs !== 0) return saved
      order = saved
      const entry = runs.get(order.id)
      if (entry) Object.assign(entry, { order, leasedAt: performance.now() })
    }
    return order
  }

  const traces = tracer()
  const run = (given: Order): Promise<Order> => {
    const span =
      given.traceparent === '' ? undefined : traces?.start(`order ${given.work}`, { parent: given.traceparent, ...spanOf(given) })
    // What is done for it now comes from this run; its row keeps where the trace began.
    const order = span ? { ...given, traceparent: span.traceparent } : given
    const ended: Promise<Order> = work(order)
      .catch((error: unknown) => {
        // Nothing is lost: the lease runs out and the order is taken up again.
        log.error(
          { order_id: order.id, request_id: order.request_id, ...inTrace(order.traceparent), err: error },
          'the order could not be saved',
        )
        // As it was last known to be written, and not as it began: whoever was told "rejected" must not be told "pending" after it.
        const mine = runs.get(order.id)
        return mine?.ended === ended ? mine.order : order
      })
      .finally(() => {
        if (runs.get(order.id)?.ended === ended) runs.delete(order.id)
      })
    if (span)
      void ended.then((at) => span.end({ attributes: { 'comanda.status': at.status, 'comanda.waits_for': at.waiting_service ?? '' } }))
    runs.set(order.id, { ended, order, leasedAt: performance.now() })
    return ended
  }

  // What waits for a dead service is left alone; when it comes back, the queue goes first.
  const isOurs = (service: StepService) =>
    !health.isDown(service) && !(queue?.isReachable() && health.sinceBackMs(service) < QUEUE_FIRST_MS)

  let agedAt = Number.NEGATIVE_INFINITY
  function takeUp(orders: Order[]): void {
    for (const order of orders) {
      log.info(
        { order_id: order.id, request_id: order.request_id, ...inTrace(order.traceparent), work: order.work, epoch: order.epoch },
        'order taken up again',
      )
      void run(order)
    }
  }

  const sweeper = startSweeper({ everyMs: SWEEP_EVERY_MS, log }, async () => {
    const old = [...runs.values()].filter((entry) => performance.now() - entry.leasedAt > leaseMs / 3)
    if (old.length > 0) {
      await store.renewLeases(
        db,
        old.map((entry) => entry.order),
        leaseMs,
      )
      for (const entry of old) entry.leasedAt = performance.now()
    }
    const limit = Math.min(SWEEP_AT_MOST, SWEPT_AT_ONCE - runs.size)
    if (limit <= 0) return
    takeUp(await store.claimDueOrders(db, { limit, leaseMs, services: [...STEPS.filter(isOurs), 'orders'] }))
    if (performance.now() - agedAt < AGED_EVERY_MS) return
    agedAt = performance.now()
    takeUp(await store.claimAgedOrders(db, { limit, leaseMs, maxAgeMs: (around.limits ?? DEFAULT_LIMITS).maxAgeMs }))
  })

  return {
    run,
    save,
    running: (orderId) => runs.get(orderId)?.ended,
    async stop(ms) {
      await sweeper.stop()
      const all = Promise.allSettled([...runs.values()].map((entry) => entry.ended))
      await Promise.race([all, new Promise((resolve) => setTimeout(resolve, ms).unref())])
    },
  }
}

const spanOf = ({ id, epoch, attempts }: Order) => ({
  kind: 'internal' as const,
  attributes: { 'comanda.order_id': id, 'comanda.epoch': epoch, 'comanda.attempts': attempts },
})

/** One step further: what the order's work comes to. */
function next(order: Order, services: Services, around: Surroundings): Promise<Change> {
  switch (order.work) {
    case 'place':
      return placeOrder(order, services, around)
    case 'cancel':
      return cancelOrder(order, services, around)
    case 'undo':
      return undoOrder(order, services, around)
    case 'settle':
      return settleOrder(order, services, around)
    case null:
      throw new Error(`order ${order.id} has no work`)
    default:
      return unforeseen(order.work)
  }
}

function tell(log: Log, { order, event, dueInMs }: Change): void {
  const line = { order_id: order.id, request_id: order.request_id, ...inTrace(order.traceparent) }
  if (event) log.info({ ...line, ...tellable(event), ...(order.work && dueInMs && { next_try_in_ms: dueInMs }) }, event.type)
  else log.debug({ ...line, service: order.waiting_service, attempts: order.attempts, next_try_in_ms: dueInMs }, 'still waiting')
}

/** Calls `sweep` again and again, never twice at once; a failure is logged and the next turn tries again. */
function startSweeper({ everyMs, log }: { everyMs: number; log: Log }, sweep: () => Promise<void>): { stop(): Promise<void> } {
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let current = Promise.resolve()
  const turn = () => {
    current = sweep()
      .catch((error: unknown) => log.warn({ error: (error as Error).message }, 'sweep failed; trying again'))
      .then(() => {
        if (!stopped) timer = setTimeout(turn, everyMs)
      })
  }
  turn()
  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await current
    },
  }
}
