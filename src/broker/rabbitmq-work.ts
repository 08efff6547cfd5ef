import type { Channel, ConsumeMessage } from 'amqplib'
import type { Log } from '../platform/log.ts'
import { unforeseen } from '../platform/unforeseen.ts'
import type { QueueName, Verdict } from './broker.ts'
import { type Handle, judge } from './judge.ts'
import { deliveryOf, type Incoming, type Outgoing, outgoing } from './rabbitmq-message.ts'
import { deadQueue, placeFor } from './rabbitmq-topology.ts'

/**
 * Asks the handler about deliveries and carries out its verdicts. A retry and a death are messages published anew and confirmed, and only then is
 * the old one acknowledged: dying in between makes two of one and never none. So the reason and the count of attempts travel along, which
 * RabbitMQ's own dead-lettering could not give.
 */
export type Taken = { channel: Channel; raw: ConsumeMessage; message: Incoming }

export type Work = {
  queue: QueueName
  handle: Handle
  maxAttempts: number
  handlerTimeoutMs: number
  send(messages: readonly Outgoing[]): Promise<void>
  /** Whether what this channel delivered is still ours to answer. */
  isOurs(channel: Channel): boolean
  log: Log
}

/** `wait`: it came before its time, because its delay is longer than any delay queue's. */
type Decision = Verdict | { do: 'wait' }

const SEND_TRIES = 6
const FIRST_PAUSE_MS = 100

/** Resolves when all are answered, one way or another; never rejects. */
export async function workOff(batch: readonly Taken[], work: Work): Promise<void> {
  const decided = batch.map((taken) => ({ taken, decision: decideAlone(taken.message, work.maxAttempts) }))
  const open = decided.filter(({ decision }) => decision === undefined).map(({ taken }) => taken)
  const before = decided.flatMap(({ taken, decision }) => {
    if (decision?.do === 'dead')
      work.log.warn({ queue: work.queue, id: taken.message.id, error: decision.error }, 'a message is laid with the dead')
    return decision ? [carryOut(taken, decision, work)] : []
  })
  if (open.length > 0) {
    const deliveries = open.map(({ message }) => deliveryOf(message))
    const verdicts = await judge({ ...work, timeoutMs: work.handlerTimeoutMs, deliveries })
    await Promise.all(open.map((taken, i) => carryOut(taken, verdicts[i] as Verdict, work)))
  }
  await Promise.all(before)
}

/** What needs no handler. */
function decideAlone({ body, attempt, error, restMs }: Incoming, maxAttempts: number): Decision | undefined {
  if (restMs > 0) return { do: 'wait' }
  if (!body) return { do: 'dead', error: 'its body is no JSON' }
  if (attempt > maxAttempts) return { do: 'dead', error: `${error ? `${error}; then ` : ''}the last delivery was never answered` }
  return undefined
}

async function carryOut(taken: Taken, decision: Decision, work: Work): Promise<void> {
  if (decision.do === 'ack' || (await sendWhileOurs(taken, replacement(taken.message, decision, work), work))) acknowledge(taken)
  else giveBack(taken)
}

/** The message that takes the old one's place. */
function replacement({ id, content, publishedAt, attempts, attempt, restMs }: Incoming, decision: Decision, work: Work): Outgoing {
  const { queue, maxAttempts } = work
  switch (decision.do) {
    case 'wait': {
      const place = placeFor(queue, restMs)
      return outgoing({ id, content, target: place.target, notes: { publishedAt, attempts, restMs: place.restMs } })
    }
    case 'retry': {
      const place = placeFor(queue, decision.afterMs)
      const notes = { publishedAt, attempts: attempt, restMs: place.restMs, error: decision.error }
      return outgoing({ id, content, target: place.target, notes })
    }
    case 'dead': {
      const notes = { publishedAt, attempts: Math.min(attempt, maxAttempts), restMs: 0, error: decision.error, diedAt: Date.now() }
      return outgoing({ id, content, target: deadQueue(queue), notes })
    }
    case 'ack':
      throw new Error('an acknowledged message has no replacement')
    default:
      return unforeseen(decision)
  }
}

/** @returns whether it is there. When the delivery is no longer ours, another gets it anyway. */
async function sendWhileOurs({ channel }: Taken, message: Outgoing, { queue, send, isOurs, log }: Work): Promise<boolean> {
  for (let attempt = 0; attempt < SEND_TRIES && isOurs(channel); attempt++) {
    try {
      await send([message])
      return true
    } catch (error) {
      log.warn({ queue, id: message.options.messageId, error: (error as Error).message }, 'a message could not be moved on')
      await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE_MS * 2 ** attempt))
    }
  }
  return false
}

// A channel that is closed throws; what it delivered is delivered again.
function acknowledge({ channel, raw }: Taken): void {
  try {
    channel.ack(raw)
  } catch {}
}

/** Back to its queue, at once. Before RabbitMQ 4.3 that counts as an attempt. */
export function giveBack({ channel, raw }: Pick<Taken, 'channel' | 'raw'>): void {
  try {
    channel.nack(raw, false, true)
  } catch {}
}
