import type { Broker } from '../broker/broker.ts'
import { batched } from '../platform/batched.ts'
import { failure, followOne } from '../platform/followed.ts'
import type { Log } from '../platform/log.ts'
import { type Order, STEPS, type StepService } from './order.ts'

/**
 * The sending end of the fallback queue: a message for each order that is parked because a service is away. The order's row says the same, so a message that
 * is lost costs time and no order: the broker is told after the row is durable, nobody waits for it, and the sweeper finds what it forgets.
 */
export type FallbackQueue = {
  /** Tells the broker, in its own time. `delayMs`: not before. */
  parked(order: Order, options: { service: StepService; delayMs: number }): void
  /** Whether the last message was taken. While it was not, parked orders are tried again sooner by themselves. */
  isReachable(): boolean
}

/** One parking of an order. Its message is good for one claim: whoever claims the order raises the epoch. */
export type ParkedMessage = { order_id: string; version: number; epoch: number }

const MOST_UNSENT = 20_000

export function openFallbackQueue({ broker, log }: { broker: Broker; log: Log }): FallbackQueue {
  let isReachable = true
  let lost = 0
  const publishers = new Map(STEPS.map((service) => [service, publisherFor(service)]))

  function publisherFor(service: StepService) {
    type Parked = { body: ParkedMessage; delayMs: number }
    return batched<Parked, void>(
      async (list) => {
        const messages = list.map(({ body, delayMs }) => ({ id: `${body.order_id}@${body.version}`, body, delayMs }))
        await broker.publish(`orders.parked.${service}`, messages)
        return list.map(() => undefined)
      },
      { name: `queue for ${service}`, max: 256, concurrency: 2, maxQueued: MOST_UNSENT },
    )
  }

  return {
    parked({ id, version, epoch, traceparent }, { service, delayMs }) {
      const span = followOne(traceparent, `orders.parked.${service} publish`, {
        kind: 'producer',
        attributes: { 'comanda.delay_ms': delayMs },
      })
      publishers
        .get(service)?.({ body: { order_id: id, version, epoch }, delayMs })
        .then(() => {
          span?.end()
          if (!isReachable) log.info({ lost }, 'the broker is back; orders parked meanwhile are found by themselves')
          isReachable = true
          lost = 0
        })
        .catch((error: Error) => {
          span?.end(failure(error))
          lost++
          if (isReachable)
            log.warn({ error: error.message }, 'the broker does not take messages; parked orders are tried again by themselves')
          isReachable = false
        })
    },
    isReachable: () => isReachable,
  }
}
