import type { Broker } from '../broker/broker.ts'
import type { Log } from '../platform/log.ts'
import { type Loop, startLoop } from '../platform/loop.ts'
import type { Database } from '../platform/postgres.ts'
import { claimMessages, type OutboxRow, releaseMessages, removeMessages } from './outbox-store.ts'

/**
 * Tells orders, over the broker, of results that it may be waiting for. A message only makes an order look sooner: what the broker loses,
 * the order's own next try finds. Several instances share the messages; one that dies leaves its own to the others.
 */

const AT_MOST = 256

type Dependencies = { db: Database; broker: Pick<Broker, 'publish'>; log: Log }

export function startRelay({ db, broker, log }: Dependencies): Loop {
  return startLoop({ name: 'telling orders of payments', work: () => relayOnce({ db, broker, log }), idleMs: 500, log })
}

/** @throws when the broker has not confirmed: then the messages stay, and go out again (some perhaps for the second time). */
export async function relayOnce({ db, broker, log }: Dependencies): Promise<'more' | 'idle'> {
  const messages = await claimMessages(db, AT_MOST)
  if (messages.length === 0) return 'idle'
  try {
    await broker.publish(
      'orders.facts',
      messages.map((message) => ({ id: idOf(message), body: message.body })),
    )
  } catch (error) {
    await releaseMessages(db, messages)
    throw error
  }
  await removeMessages(db, messages)
  for (const { order_id, body } of messages) log.info({ order_id, status: body.status }, 'orders was told that the payment is resolved')
  return messages.length === AT_MOST ? 'more' : 'idle'
}

const idOf = ({ order_id, version }: OutboxRow) => `payment.resolved:${order_id}:${version}`
