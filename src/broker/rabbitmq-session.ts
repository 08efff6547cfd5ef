import { setTimeout } from 'node:timers/promises'
import { type ChannelModel, connect } from 'amqplib'
import { brokerAddress } from '../platform/broker-address.ts'
import type { Log } from '../platform/log.ts'
import { atMost } from './deadline.ts'
import { openPublisher, type Publisher } from './rabbitmq-publisher.ts'
import { declareQueues } from './rabbitmq-topology.ts'

/**
 * The connection to RabbitMQ, made anew for ever: each one checks the queues first, then opens the publishing channel, then gives the consumers
 * theirs. A channel that the other side closes takes the connection with it, so that there is one way to recover and not one per failure.
 */
export type Sessions = {
  /** What there is now. @throws at once when there is nothing, with the reason. */
  current(): Session
  /** Takes part in this and every later session. */
  join(member: Member): Promise<void>
  leave(member: Member): void
  close(ms: number): Promise<void>
}

export type Session = {
  connection: ChannelModel
  publisher: Publisher
  /** Makes queues that are gone; takes half a second. */
  declareAgain(): Promise<void>
  /** Ends it; the next one comes by itself. */
  end(reason: string): void
  hasEnded(): boolean
}

export type Member = { /** A new session; it counts when all have attached. */ attach(session: Session): Promise<void> }

const CONNECT_MS = 5_000
const RECOVERY = { initialDelay: 100, maxDelay: 3_000, factor: 2, jitter: 0.3, waitForConnect: false }
/**
 * Time for RabbitMQ to tell its consumers that a queue is gone, before it is made again. Made again sooner, RabbitMQ 3.10 moves the consumers
 * to the new queue and delivers nothing to them, for ever.
 */
const GONE_FOR_MS = 500
/** A peer that is silent for twice as long is gone. */
const HEARTBEAT_S = '10'

export function openSessions(url: string, log: Log): Sessions {
  const address = new URL(url)
  if (!address.searchParams.has('heartbeat')) address.searchParams.set('heartbeat', HEARTBEAT_S)
  const where = brokerAddress(url)
  const members = new Set<Member>()
  let session: Session | undefined
  let blockedBy: string | undefined
  let reason = 'not connected yet'
  let told = ''

  const setup = async (connection: ChannelModel) => {
    let isClosed = false
    connection.on('error', () => {}) // 'close' follows; unheard it would end the process
    connection.on('close', () => {
      isClosed = true
    })
    await declareQueues(connection)
    const next = await openSession(connection, (why) => {
      if (session === next) session = undefined
      reason = why
    })
    // Members that join meanwhile are met too: a Set's loop goes on to what is added.
    for (const member of members) await member.attach(next)
    // Nobody listens for that yet but us.
    if (isClosed || next.hasEnded()) throw new Error(`it was lost again at once: ${reason}`)
    blockedBy = undefined
    session = next
  }

  const away = (error: Error) => {
    session = undefined
    if (error.message !== 'Connection closed') reason = error.message
    if (told !== reason) log.warn({ broker: where, error: reason }, 'the broker is away; connecting again until it is there')
    told = reason
  }
  const recovering = connect(address.toString(), {
    timeout: CONNECT_MS,
    clientProperties: { connection_name: 'comanda' },
    recovery: { ...RECOVERY, setup },
  }).then((connection) => {
    connection.on('error', () => {})
    connection.on('disconnect', away)
    connection.on('connect-failed', away)
    connection.on('connect', () => {
      told = ''
      log.info({ broker: where }, 'connected to the broker')
    })
    connection.on('blocked', (why: string) => {
      blockedBy = why
      log.warn({ broker: where, reason: why }, 'the broker takes no messages now')
    })
    connection.on('unblocked', () => {
      blockedBy = undefined
    })
    return connection
  })

  return {
    current() {
      if (!session) throw new Error(`the broker at ${where} is away: ${reason}`)
      if (blockedBy !== undefined) throw new Error(`the broker at ${where} takes no messages now: ${blockedBy}`)
      return session
    },
    async join(member) {
      members.add(member)
      const now = session
      if (now) await member.attach(now).catch((error: Error) => now.end(error.message))
    },
    leave: (member) => void members.delete(member),
    async close(ms) {
      session = undefined
      reason = 'it was closed'
      await atMost(
        ms,
        recovering.then((connection) => connection.close()),
      )
    },
  }
}

async function openSession(connection: ChannelModel, onEnd: (why: string) => void): Promise<Session> {
  let ended = false
  let declaring: Promise<void> | undefined
  const end = (why: string) => {
    if (ended) return
    ended = true
    onEnd(why)
    connection.close().catch(() => {})
  }
  return {
    connection,
    publisher: await openPublisher(connection, () => end('the publishing channel was closed')),
    declareAgain() {
      declaring ??= setTimeout(GONE_FOR_MS)
        .then(() => declareQueues(connection))
        .finally(() => {
          declaring = undefined
        })
      return declaring
    },
    end,
    hasEnded: () => ended,
  }
}
