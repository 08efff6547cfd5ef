import { createHash } from 'node:crypto'
import type { Message as AmqpMessage, Options } from 'amqplib'
import type { DeadLetter, Delivery, QueueName } from './broker.ts'
import { keyOf } from './message.ts'

/** Our messages as RabbitMQ carries them: the body as it is, what else we know of it in headers. */

/** Ready to be published. */
export type Outgoing = { target: string; content: Buffer; options: Options.Publish }

/** What we note beside the body. `attempts`: those that are over. `restMs`: delay still to come. */
type Notes = { publishedAt: number; attempts: number; restMs: number; error?: string; diedAt?: number }

const HEADERS = {
  publishedAt: 'comanda-published-at',
  attempts: 'comanda-attempts',
  restMs: 'comanda-rest-ms',
  error: 'comanda-error',
  diedAt: 'comanda-died-at',
} as const satisfies Record<keyof Notes, string>

export function outgoing({ target, id, content, notes }: { target: string; id: string; content: Buffer; notes: Notes }): Outgoing {
  const headers = Object.fromEntries(Object.entries(notes).map(([name, value]) => [HEADERS[name as keyof Notes], value]))
  return { target, content, options: { persistent: true, messageId: id, contentType: 'application/json', headers } }
}

/** A message that came, whoever published it. `body` is undefined when it is no JSON. */
export type Incoming = Notes & { id: string; content: Buffer; body: { value: unknown } | undefined; attempt: number }

export function incoming({ content, properties }: AmqpMessage): Incoming {
  const headers: Record<string, unknown> = properties.headers ?? {}
  const number = (name: string) => (typeof headers[name] === 'number' && headers[name] >= 0 ? headers[name] : 0)
  const attempts = number(HEADERS.attempts)
  const error = headers[HEADERS.error]
  return {
    // A stranger's message may have none: then one that stays the same.
    id: typeof properties.messageId === 'string' && properties.messageId ? properties.messageId : hashOf(content),
    content,
    body: parse(content),
    // RabbitMQ counts the deliveries that ended with a consumer's death; those that ended with a verdict we have noted.
    attempt: attempts + number('x-delivery-count') + 1,
    attempts,
    publishedAt: number(HEADERS.publishedAt) || Date.now(),
    restMs: number(HEADERS.restMs),
    diedAt: number(HEADERS.diedAt),
    ...(typeof error === 'string' ? { error } : {}),
  }
}

export const deliveryOf = ({ id, body, attempt, publishedAt }: Incoming): Delivery => ({
  ...{ id, body: body?.value, attempt },
  publishedAt: new Date(publishedAt),
})

export const deadLetterOf = (queue: QueueName, { id, body, content, error, attempts, diedAt }: Incoming): DeadLetter => ({
  ...{ key: keyOf(queue, id), id, queue, attempts },
  body: body ? body.value : content.toString('latin1'),
  error: error ?? 'no reason is noted: others put it here',
  diedAt: new Date(diedAt ?? 0),
})

function parse(content: Buffer): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(content.toString()) }
  } catch {
    return undefined
  }
}

const hashOf = (content: Buffer) => createHash('sha256').update(content).digest('hex').slice(0, 32)
