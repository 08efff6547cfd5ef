import { randomUUID } from 'node:crypto'
import type { Channel, ConsumeMessage } from 'amqplib'
import type { ConsumeOptions, Consumer } from './broker.ts'
import { atMost } from './deadline.ts'
import { closeChannel } from './rabbitmq-channel.ts'
import { incoming } from './rabbitmq-message.ts'
import type { Member, Session } from './rabbitmq-session.ts'
import { mainQueue } from './rabbitmq-topology.ts'
import { giveBack, type Taken, type Work, workOff } from './rabbitmq-work.ts'

/** A subscription that outlives sessions: a channel of its own in each, as many unanswered deliveries as it may have, paused and resumed. */
export type RabbitmqConsumer = Consumer & Member & { /** Deliveries in hand now. */ inFlight(): number }

type Options = ConsumeOptions & Omit<Work, 'isOurs'>

/** For a channel to be closed, when the broker still answers. */
const CLOSE_MS = 1_000

export function rabbitmqConsumer({ maxInFlight, ...rest }: Options): RabbitmqConsumer {
  const name = mainQueue(rest.queue)
  const running = new Set<Promise<void>>()
  let current: { channel: Channel; session: Session; tag: string | undefined } | undefined
  let waiting: Taken[] = []
  let inHand = 0
  let paused = false
  let stopped = false
  const work: Work = { ...rest, isOurs: (channel) => current?.channel === channel }

  const take = (channel: Channel, raw: ConsumeMessage | null) => {
    if (raw === null) return current?.session.end(`RabbitMQ took the queue ${name} away`)
    if (paused || stopped) return giveBack({ channel, raw })
    // What comes in one turn of the event loop is handled together.
    if (waiting.length === 0) setImmediate(handOut)
    waiting.push({ channel, raw, message: incoming(raw) })
  }

  const handOut = () => {
    // After a reconnect, handlers of the former session may still have messages in hand.
    const batch = waiting.splice(0, Math.max(0, maxInFlight - inHand))
    if (batch.length === 0) return
    inHand += batch.length
    const worked = workOff(batch, work).finally(() => {
      inHand -= batch.length
      running.delete(worked)
      handOut()
    })
    running.add(worked)
  }

  const giveBackWaiting = () => waiting.splice(0).forEach(giveBack)

  const subscribe = async () => {
    const at = current
    if (!at || at.tag !== undefined || paused || stopped) return
    at.tag = `comanda.${randomUUID()}`
    await at.channel.consume(name, (raw) => void take(at.channel, raw), { consumerTag: at.tag })
  }
  const unsubscribe = async () => {
    const at = current
    if (at?.tag === undefined) return
    const { tag } = at
    at.tag = undefined
    await at.channel.cancel(tag)
  }
  // One after the other. A failure means that the channel is gone: the next session begins anew.
  let changes: Promise<void> = Promise.resolve()
  const change = (step: () => Promise<void>): Promise<void> => {
    changes = changes.then(step).catch((error: Error) => current?.session.end(error.message))
    return changes
  }

  return {
    async attach(session) {
      const channel = await session.connection.createChannel()
      channel.on('error', () => {}) // 'close' follows
      channel.on('close', () => {
        if (!stopped) session.end(`the channel that consumes ${name} was closed`)
      })
      await channel.prefetch(maxInFlight)
      // What the former session delivered and nobody has begun is delivered again.
      waiting = []
      current = { channel, session, tag: undefined }
      await subscribe()
    },
    inFlight: () => inHand + waiting.length,
    pause() {
      paused = true
      giveBackWaiting()
      void change(unsubscribe)
    },
    resume() {
      paused = false
      void change(subscribe)
    },
    async stop(ms) {
      stopped = true
      giveBackWaiting()
      await atMost(
        ms,
        change(unsubscribe).then(() => Promise.all(running)),
      )
      const channel = current?.channel
      current = undefined
      // What is still unanswered goes to another.
      if (channel) await atMost(CLOSE_MS, closeChannel(channel))
    },
  }
}
