import type { ChannelModel, ConfirmChannel } from 'amqplib'
import { within } from './deadline.ts'
import type { Outgoing } from './rabbitmq-message.ts'

/**
 * Publishes and waits until RabbitMQ has said that it has each message. Three things can go wrong, told apart: a refusal, a message that no
 * queue wanted (RabbitMQ confirms it all the same, but returns it first), and no answer.
 */
export type Publisher = {
  /** @throws when not all are known to be stored: the first reason, an {@link UnroutableError} before others. */
  send(messages: readonly Outgoing[]): Promise<void>
}

/** The queue is not there (any more). */
export class UnroutableError extends Error {
  override name = 'UnroutableError'
}

/** Without an answer for so long, nobody knows. */
const CONFIRM_MS = 10_000
/** Unconfirmed at once of one call; more would only wait in our memory. */
const MOST_AT_ONCE = 1_000

/** `onClosed`: when the channel is closed by the other side. */
export async function openPublisher(connection: ChannelModel, onClosed: () => void): Promise<Publisher> {
  const channel = await connection.createConfirmChannel()
  const returned = new Set<string>()
  let sent = 0
  channel.on('error', () => {}) // 'close' follows
  channel.on('close', onClosed)
  channel.on('return', (message) => returned.add(message.properties.correlationId))

  const sendOne = ({ target, content, options }: Outgoing): Promise<void> => {
    const mark = String(++sent)
    return new Promise((resolve, reject) => {
      const confirmed = (error: Error | null) => {
        if (returned.delete(mark)) reject(new UnroutableError(`RabbitMQ has no queue ${target}`))
        else if (error) reject(new Error(`RabbitMQ did not take a message for ${target}: ${error.message}`))
        else resolve()
      }
      publish({ channel, target, content, options: { ...options, mandatory: true, correlationId: mark } }, confirmed)
    })
  }

  return {
    async send(messages) {
      for (let from = 0; from < messages.length; from += MOST_AT_ONCE) {
        const results = await within(CONFIRM_MS, Promise.allSettled(messages.slice(from, from + MOST_AT_ONCE).map(sendOne)), 'RabbitMQ')
        const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []))
        const error = errors.find((one) => one instanceof UnroutableError) ?? errors[0]
        if (error) throw error
      }
    },
  }
}

function publish({ channel, target, content, options }: Outgoing & { channel: ConfirmChannel }, confirmed: (error: Error | null) => void) {
  try {
    channel.publish('', target, content, options, confirmed)
  } catch (error) {
    confirmed(error as Error) // a closed channel throws
  }
}
