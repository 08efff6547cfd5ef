import type { Message } from '../broker/broker.ts'
import { isUnavailable } from '../platform/grpc.ts'
import type { Log } from '../platform/log.ts'
import type { Answer } from '../platform/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import * as store from './relay-store.ts'
import { shipmentId } from './shipment.ts'

/**
 * Tells orders what happened to its shipments: over the broker, and a little later by asking orders itself whether it knows. A fact is told when orders has
 * answered for it. So a broker that is down or forgets costs a moment and no fact. Several instances share the facts; every repeat is harmless.
 */

const AT_MOST = 256

/** How a fact reaches orders directly. Answers of `done` and `refused` are final; after `unknown` or an error it is told again. */
export type TellOrders = (fact: store.Fact) => Promise<Answer<unknown>>
/** Hands messages to the broker's queue `orders.facts`. @throws when they may not be stored. */
export type Publish = (messages: readonly Message[]) => Promise<void>

export type FactRelay = { db: Database; tellOrders: TellOrders; publish?: Publish | undefined; log: Log }

/** @throws when orders can't be reached: then everything waits. Else only those facts wait that it can't take yet, or fails at. */
export async function relayFactsOnce({ db, tellOrders, publish, log }: FactRelay): Promise<'more' | 'idle'> {
  const facts = await store.claimFacts(db, AT_MOST)
  const fresh = facts.filter((fact) => !fact.published_at)
  const published = publish && fresh.length > 0 && (await publishFacts(fresh, publish, log)) ? fresh : []
  await store.markPublished(db, published)
  await tellFacts(
    facts.filter((fact) => !published.includes(fact)),
    { db, tellOrders, log },
  )
  return facts.length === AT_MOST ? 'more' : 'idle'
}

async function publishFacts(facts: readonly store.Fact[], publish: Publish, log: Log): Promise<boolean> {
  try {
    await publish(facts.map(messageOf))
    for (const fact of facts) log.info(lineOf(fact), 'published')
    return true
  } catch (error) {
    log.debug({ facts: facts.length, error: (error as Error).message }, 'the broker does not take facts; telling orders itself')
    return false
  }
}

/** Orders' inbox reads it: src/orders/inbox.ts. The id is the same in every repeat. */
function messageOf(fact: store.Fact): Message {
  const shipment_id = idOf(fact)
  const type = `shipment.${fact.status}`
  return { id: `${type}:${shipment_id}`, body: { type, order_id: fact.order_id, shipment_id, location_id: fact.location_id, at: fact.at } }
}

async function tellFacts(facts: readonly store.Fact[], { db, tellOrders, log }: Omit<FactRelay, 'publish'>): Promise<void> {
  const results = await Promise.allSettled(facts.map(tellOrders))
  const told: store.Fact[] = []
  const later: store.Fact[] = []
  const untouched: store.Fact[] = []
  let unreachable: unknown
  facts.forEach((fact, i) => {
    const result = results[i] as (typeof results)[number]
    const line = lineOf(fact)
    if (result.status === 'rejected') {
      if (isUnavailable(result.reason)) unreachable = result.reason
      ;(isUnavailable(result.reason) ? untouched : later).push(fact)
      log.debug({ ...line, error: (result.reason as Error).message }, 'orders could not be told')
      return
    }
    const answer = result.value
    if (answer.kind === 'unknown') later.push(fact)
    else told.push(fact)
    if (answer.kind === 'done') log.info(line, 'orders was told')
    if (answer.kind === 'refused') log.warn({ ...line, code: answer.code }, `orders does not take it: ${answer.message}`)
  })
  await store.markTold(db, told)
  await store.tellLater(db, later)
  await store.releaseFacts(db, untouched)
  if (unreachable) throw unreachable
}

const idOf = (fact: store.Fact) => shipmentId({ orderId: fact.order_id, number: fact.number })
const lineOf = (fact: store.Fact) => ({ order_id: fact.order_id, shipment_id: idOf(fact), status: fact.status })
