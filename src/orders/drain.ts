import type { Broker, Consumer, Delivery, QueueName, Verdict } from '../broker/broker.ts'
import { followOne } from '../platform/followed.ts'
import { isUuid } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import { type Database, isDatabaseDown } from '../platform/postgres.ts'
import type { Coordinator } from './coordinator.ts'
import type { ParkedMessage } from './fallback-queue.ts'
import type { Health } from './health.ts'
import { STEPS, type StepService } from './order.ts'
import * as store from './store.ts'

/**
 * The receiving end of the fallback queue: orders parked for a service go on when it is back, the oldest first, so many at once and no more. While a service
 * is known to be down its queue is left alone.
 */

/** A service that comes back meets a queue, not a herd: about what it has in hand at full load. */
const AT_ONCE = 128
/** The sweeper has the order anyway; a message that fails so often is of no more use. */
const MOST_ATTEMPTS = 50
const DATABASE_PAUSE_MS = 1_000

type Dependencies = { broker: Broker; coordinator: Coordinator; health: Health; db: Database; leaseMs: number; log: Log }

export type Drain = { stop(ms: number): Promise<void> }

export async function startDrain(dependencies: Dependencies): Promise<Drain> {
  const { broker, health } = dependencies
  const consumers = new Map<StepService, Consumer>()
  const steer = (service: StepService) => {
    const consumer = consumers.get(service)
    if (health.isDown(service)) consumer?.pause()
    else consumer?.resume()
  }
  health.onChange(steer)
  await Promise.all(
    STEPS.map(async (service) => {
      const queue: QueueName = `orders.parked.${service}`
      const handle = (deliveries: readonly Delivery[]) => goOn(queue, deliveries, dependencies)
      consumers.set(service, await broker.consume(queue, handle, { maxInFlight: AT_ONCE, maxAttempts: MOST_ATTEMPTS }))
      steer(service)
    }),
  )
  return {
    async stop(ms) {
      await Promise.all([...consumers.values()].map((consumer) => consumer.stop(ms)))
    },
  }
}

/** Runs the orders of these messages as far as they come; then the messages are done with, for an order that is parked again has a new one. */
async function goOn(
  queue: QueueName,
  deliveries: readonly Delivery[],
  { coordinator, db, leaseMs, log }: Dependencies,
): Promise<Verdict[]> {
  const messages = deliveries.map((delivery) => readMessage(delivery.body))
  try {
    const parked = messages.filter((message) => message !== undefined)
    const claimed = parked.length > 0 ? await store.claimParkedOrders(db, parked, leaseMs) : []
    const byOrder = new Map(messages.map((message, i) => [message?.order_id, deliveries[i]]))
    // The stretch from being published to being taken up: how long it lay in the queue.
    for (const { id, traceparent } of claimed) {
      const { publishedAt: since, attempt = 0 } = byOrder.get(id) ?? {}
      followOne(traceparent, queue, { kind: 'consumer', ...(since && { since }), attributes: { 'comanda.attempt': attempt } })?.end()
    }
    log.debug({ messages: deliveries.length, orders: claimed.length }, 'drain')
    await Promise.all(claimed.map((order) => coordinator.run(order)))
  } catch (error) {
    if (!isDatabaseDown(error)) throw error
    return deliveries.map(() => ({ do: 'retry', afterMs: DATABASE_PAUSE_MS, error: 'the database of orders is down' }))
  }
  return messages.map((message) => (message ? { do: 'ack' } : { do: 'dead', error: 'not a message about a parked order' }))
}

function readMessage(body: unknown): ParkedMessage | undefined {
  const { order_id, version, epoch } = (body ?? {}) as Partial<ParkedMessage>
  const isSound = typeof order_id === 'string' && isUuid(order_id) && Number.isSafeInteger(version) && Number.isSafeInteger(epoch)
  return isSound ? (body as ParkedMessage) : undefined
}
