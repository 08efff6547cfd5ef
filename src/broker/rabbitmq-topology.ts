import type { ChannelModel } from 'amqplib'
import { QUEUES, type QueueName } from './broker.ts'
import { withChannel } from './rabbitmq-channel.ts'

/**
 * Which queues there are in RabbitMQ: per queue of ours one for its messages, one for its dead, and one per length of delay, whose messages fall
 * back into the first when their time is up. (A delay per message would wait behind a longer one in front of it.) All are quorum queues: a confirm
 * means that a majority has it on disk. Everything goes through the default exchange.
 */

/** Delays are rounded up to one of these; what is longer than the last goes round again. */
export const DELAYS_MS = [1_000, 5_000, 15_000, 60_000, 300_000, 1_800_000] as const

/** Past it a publish is refused, before the broker is full. */
const MOST_MESSAGES = 1_000_000
/**
 * We count attempts ourselves. RabbitMQ's own limit (20 from version 4 on, unless said otherwise) would drop a dead letter that was listed so
 * often, and end a message before its time.
 */
const NO_LIMIT = 1_000_000_000

export const mainQueue = (queue: QueueName): string => `comanda.${queue}`
export const deadQueue = (queue: QueueName): string => `comanda.${queue}.dead`
export const delayQueue = (queue: QueueName, stepMs: number): string => `comanda.${queue}.after-${stepMs / 1_000}s`

/** Where a message goes that is to be delivered after so many ms, and how much of the delay is then still to come. */
export function placeFor(queue: QueueName, delayMs: number): { target: string; restMs: number } {
  if (delayMs <= 0) return { target: mainQueue(queue), restMs: 0 }
  const longest = DELAYS_MS.at(-1) ?? 0
  const step = DELAYS_MS.find((ms) => ms >= delayMs) ?? longest
  return { target: delayQueue(queue, step), restMs: Math.max(0, delayMs - longest) }
}

const PRECONDITION_FAILED = 406

type Wanted = { name: string; arguments: Record<string, unknown> }

const QUORUM = { 'x-queue-type': 'quorum', 'x-overflow': 'reject-publish', 'x-delivery-limit': NO_LIMIT }

function wantedQueues(): Wanted[] {
  return QUEUES.flatMap((queue) => [
    { name: mainQueue(queue), arguments: { ...QUORUM, 'x-max-length': MOST_MESSAGES } },
    { name: deadQueue(queue), arguments: QUORUM },
    ...DELAYS_MS.map((ms) => ({
      name: delayQueue(queue, ms),
      arguments: {
        ...QUORUM,
        'x-message-ttl': ms,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': mainQueue(queue),
        // A message leaves the delay when the queue behind it has it.
        'x-dead-letter-strategy': 'at-least-once',
      },
    })),
  ])
}

/** Makes what is missing. @throws when a queue exists with other arguments, saying what to do. */
export async function declareQueues(connection: ChannelModel): Promise<void> {
  await withChannel(connection, async (channel) => {
    for (const { name, arguments: args } of wantedQueues()) {
      await channel.assertQueue(name, { durable: true, arguments: args }).catch((error: Error & { code?: number }) => {
        if (error.code !== PRECONDITION_FAILED) throw error
        throw new Error(
          `the queue ${name} exists with other arguments than ours: empty and delete it, or give Comanda a virtual host of its own in BROKER_URL (${error.message})`,
        )
      })
    }
  })
}
