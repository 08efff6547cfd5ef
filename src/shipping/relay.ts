import { isUnavailable } from '../platform/grpc.ts'
import type { Log } from '../platform/log.ts'
import { startLoop } from '../platform/loop.ts'
import type { Answer } from '../platform/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import { askCarrier, type Carrier } from './carrier.ts'
import * as store from './relay-store.ts'
import { shipmentId } from './shipment.ts'

/**
 * Tells orders what happened to its shipments, and the carrier what is called off, until each has heard it. Two loops, so that
 * neither waits for the other. Several instances may tell the same: every repeat is harmless.
 */

const AT_MOST = 256

/** How a fact reaches orders. Answers of `done` and `refused` are final; after `unknown` or an error it is told again. */
export type TellOrders = (fact: store.Fact) => Promise<Answer<unknown>>

export type Relay = { /** Look now: something was just written. */ wake(): void; stop(): Promise<void> }

type Dependencies = { db: Database; carrier: Carrier; tellOrders: TellOrders; log: Log }

export function startRelay(dependencies: Dependencies): Relay {
  const { log } = dependencies
  const loops = [
    startLoop({ name: 'telling orders', work: () => tellOrdersOnce(dependencies), log }),
    startLoop({ name: 'telling the carrier', work: () => tellCarrierOnce(dependencies), log }),
  ]
  return {
    wake() {
      for (const loop of loops) loop.wake()
    },
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()))
    },
  }
}

/** @throws when orders can't be reached: then everything waits. Else only those facts wait that it can't take yet, or fails at. */
async function tellOrdersOnce({ db, tellOrders, log }: Dependencies): Promise<'more' | 'idle'> {
  const facts = await store.untoldFacts(db, AT_MOST)
  const results = await Promise.allSettled(facts.map(tellOrders))
  const told: store.Fact[] = []
  const later: store.Fact[] = []
  let unreachable: unknown
  facts.forEach((fact, i) => {
    const result = results[i] as (typeof results)[number]
    const line = { order_id: fact.order_id, shipment_id: shipmentId({ orderId: fact.order_id, number: fact.number }), status: fact.status }
    if (result.status === 'rejected') {
      if (isUnavailable(result.reason)) unreachable = result.reason
      else later.push(fact)
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
  if (unreachable) throw unreachable
  return facts.length === AT_MOST ? 'more' : 'idle'
}

async function tellCarrierOnce({ db, carrier, log }: Dependencies): Promise<'more' | 'idle'> {
  const due = await store.carrierCancelsDue(db, AT_MOST)
  const keys = due.flatMap(({ order_id, numbers }) =>
    numbers.map((number) => ({ order_id, id: shipmentId({ orderId: order_id, number }) })),
  )
  const answers = await askCarrier(
    keys.map((key) => key.id),
    (ids) => carrier.cancel(ids),
  )
  const failed = new Set<string>()
  keys.forEach(({ order_id, id }, i) => {
    const answer = answers[i]
    if (answer?.kind === 'cancelled') return
    failed.add(order_id)
    log.warn({ order_id, shipment_id: id }, `the carrier was not told that it is off: ${answer?.message}`)
  })
  const told = due.filter((cancel) => !failed.has(cancel.order_id))
  await store.markCarrierTold(db, told)
  await store.tellCarrierLater(
    db,
    due.filter((cancel) => failed.has(cancel.order_id)),
  )
  for (const { order_id } of told) log.info({ order_id }, 'the carrier was told that it is off')
  return due.length === AT_MOST ? 'more' : 'idle'
}
