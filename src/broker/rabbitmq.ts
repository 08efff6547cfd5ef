import type { ChannelModel } from 'amqplib'
import type { Log } from '../platform/log.ts'
import { type Broker, QUEUES, type QueueDepth, type QueueName } from './broker.ts'
import { within } from './deadline.ts'
import { HANDLER_TIMEOUT_MS } from './judge.ts'
import { encode } from './message.ts'
import { withChannel } from './rabbitmq-channel.ts'
import { type RabbitmqConsumer, rabbitmqConsumer } from './rabbitmq-consumer.ts'
import { deadLetters } from './rabbitmq-dead.ts'
import { type Outgoing, outgoing } from './rabbitmq-message.ts'
import { UnroutableError } from './rabbitmq-publisher.ts'
import { openSessions } from './rabbitmq-session.ts'
import { DELAYS_MS, deadQueue, delayQueue, mainQueue, placeFor } from './rabbitmq-topology.ts'

/**
 * The broker in RabbitMQ, 3.10 or later: quorum queues over AMQP 0-9-1, and nothing that a version, or a hosted one, lacks (no plugins, no
 * streams). A publish is done when a majority of the nodes has it on disk.
 */

const IS_UP_MS = 3_000
/** For a dozen round trips. */
const ANSWER_MS = 15_000

export type RabbitmqBrokerOptions = { url: string; log: Log; handlerTimeoutMs?: number }

/** Returns at once and connects in the background; publishing is refused at once while there is no connection. */
export function openRabbitmqBroker({ url, log, handlerTimeoutMs = HANDLER_TIMEOUT_MS }: RabbitmqBrokerOptions): Broker {
  const sessions = openSessions(url, log)
  const consumers = new Map<RabbitmqConsumer, QueueName>()

  /** A queue that is gone (deleted, or all data lost) is made again first. */
  const send = async (messages: readonly Outgoing[]): Promise<void> => {
    const session = sessions.current()
    try {
      await session.publisher.send(messages)
    } catch (error) {
      if (!(error instanceof UnroutableError)) throw error
      log.warn({ error: error.message }, 'the queues are made again')
      await within(ANSWER_MS, session.declareAgain(), 'RabbitMQ')
      // Another session than before when we consumed what is gone.
      await sessions.current().publisher.send(messages)
    }
  }

  return {
    async publish(queue, messages) {
      if (messages.length === 0) return
      const publishedAt = Date.now()
      await send(
        encode(messages).map(({ id, body, delayMs }) => {
          const { target, restMs } = placeFor(queue, delayMs)
          return outgoing({ id, content: Buffer.from(body), target, notes: { publishedAt, attempts: 0, restMs } })
        }),
      )
    },
    async consume(queue, handle, { maxInFlight, maxAttempts }) {
      const consumer = rabbitmqConsumer({ queue, handle, maxInFlight, maxAttempts, handlerTimeoutMs, send, log })
      consumers.set(consumer, queue)
      await sessions.join(consumer)
      const { pause, resume } = consumer
      return {
        pause,
        resume,
        async stop(ms) {
          sessions.leave(consumer)
          await consumer.stop(ms)
          consumers.delete(consumer)
        },
      }
    },
    async depth() {
      const inFlight = (queue: QueueName) =>
        [...consumers].reduce((sum, [consumer, of]) => sum + (of === queue ? consumer.inFlight() : 0), 0)
      const counts = await within(ANSWER_MS, countMessages(sessions.current().connection), 'RabbitMQ')
      return counts.map((count) => ({ ...count, inFlight: inFlight(count.queue) }))
    },
    dead: deadLetters({ session: sessions.current, send }),
    async isUp() {
      try {
        await within(
          IS_UP_MS,
          withChannel(sessions.current().connection, async () => {}),
          'RabbitMQ',
        )
        return true
      } catch {
        return false
      }
    },
    async close(ms) {
      for (const consumer of consumers.keys()) sessions.leave(consumer)
      await Promise.all([...consumers.keys()].map((consumer) => consumer.stop(ms)))
      await sessions.close(ms)
    },
  }
}

/** RabbitMQ tells over AMQP what waits in a queue, not what is in the hands of consumers. */
async function countMessages(connection: ChannelModel): Promise<QueueDepth[]> {
  return withChannel(connection, async (channel) => {
    const count = async (name: string) => (await channel.checkQueue(name)).messageCount
    return Promise.all(
      QUEUES.map(async (queue) => {
        const delayed = await Promise.all(DELAYS_MS.map((ms) => count(delayQueue(queue, ms))))
        const [ready, dead] = await Promise.all([count(mainQueue(queue)), count(deadQueue(queue))])
        return { queue, ready, delayed: delayed.reduce((sum, one) => sum + one, 0), inFlight: 0, dead }
      }),
    )
  })
}
