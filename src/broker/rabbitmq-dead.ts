import type { Channel, ChannelModel, GetMessage } from 'amqplib'
import { type Broker, type DeadLetter, QUEUES, type QueueName } from './broker.ts'
import { within } from './deadline.ts'
import { withChannel } from './rabbitmq-channel.ts'
import { deadLetterOf, incoming, type Outgoing, outgoing } from './rabbitmq-message.ts'
import type { Session } from './rabbitmq-session.ts'
import { deadQueue, mainQueue } from './rabbitmq-topology.ts'

/**
 * The dead, with AMQP only: a queue can't be looked into, so its messages are taken, looked at, and given back by closing the channel. While
 * one looks, another sees none; so within a process one waits for the other. Of each queue the oldest {@link MOST_LOOKED_AT} are looked at.
 */

const MOST_LOOKED_AT = 10_000
/** For all of it. */
const LOOK_MS = 120_000
const GIVEN_BACK_MS = 2_000
const LOOK_AGAIN_MS = 10

type Letter = DeadLetter & { raw: GetMessage }

export function deadLetters({ session, send }: { session(): Session; send(messages: readonly Outgoing[]): Promise<void> }): Broker['dead'] {
  let turn: Promise<unknown> = Promise.resolve()

  /** Takes all, lets `choose` say which go for good, and gives back the rest. */
  const lookThrough = <T>(choose: (letters: readonly Letter[]) => Promise<{ gone: readonly Letter[]; result: T }>): Promise<T> => {
    const look = async () => {
      const { connection } = session()
      const left = new Map<QueueName, number>()
      const result = await withChannel(connection, async (channel) => {
        const letters: Letter[] = []
        for (const queue of QUEUES) letters.push(...(await takeAll(channel, queue)))
        const chosen = await choose(letters)
        for (const { raw } of chosen.gone) channel.ack(raw)
        for (const { queue } of letters.filter((letter) => !chosen.gone.includes(letter))) left.set(queue, (left.get(queue) ?? 0) + 1)
        return chosen.result
      })
      await areBack(connection, left)
      return result
    }
    const looked = turn.then(() => within(LOOK_MS, look(), 'RabbitMQ'))
    turn = looked.catch(() => {})
    return looked
  }

  return {
    list: ({ after = '', limit }) =>
      lookThrough(async (letters) => {
        const page = [...latest(letters).values()]
          .filter(({ key }) => key > after)
          .sort((a, b) => (a.key < b.key ? -1 : 1))
          .slice(0, limit)
        return { gone: [], result: page.map(({ raw: _, ...letter }) => letter) }
      }),
    async requeue(keys) {
      if (keys.length === 0) return 0
      return lookThrough(async (letters) => {
        const gone = letters.filter(({ key }) => keys.includes(key))
        const lives = latest(gone)
        // There first and only then gone from here: dying in between makes two of one.
        await send([...lives.values()].map(newLife))
        return { gone, result: lives.size }
      })
    },
    async discard(keys) {
      if (keys.length === 0) return 0
      return lookThrough(async (letters) => {
        const gone = letters.filter(({ key }) => keys.includes(key))
        return { gone, result: latest(gone).size }
      })
    },
  }
}

/** By key: a message that died twice counts once, as it died last. */
const latest = (letters: readonly Letter[]) => new Map(letters.map((letter) => [letter.key, letter]))

/** RabbitMQ takes its time to put back what a closed channel had: whoever looks next is to find it. */
async function areBack(connection: ChannelModel, left: ReadonlyMap<QueueName, number>): Promise<void> {
  if (left.size === 0) return
  await withChannel(connection, async (channel) => {
    const deadline = performance.now() + GIVEN_BACK_MS
    for (const [queue, count] of left) {
      while ((await channel.checkQueue(deadQueue(queue))).messageCount < count && performance.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS))
    }
  })
}

async function takeAll(channel: Channel, queue: QueueName): Promise<Letter[]> {
  const letters: Letter[] = []
  while (letters.length < MOST_LOOKED_AT) {
    const raw = await channel.get(deadQueue(queue))
    if (!raw) break
    letters.push({ ...deadLetterOf(queue, incoming(raw)), raw })
  }
  return letters
}

function newLife({ queue, raw }: Letter): Outgoing {
  const { id, content, publishedAt } = incoming(raw)
  return outgoing({ id, content, target: mainQueue(queue), notes: { publishedAt, attempts: 0, restMs: 0 } })
}
