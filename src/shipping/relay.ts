import type { Log } from '../platform/log.ts'
import { startLoop } from '../platform/loop.ts'
import type { Database } from '../platform/postgres.ts'
import { askCarrier, type Carrier } from './carrier.ts'
import { type FactRelay, relayFactsOnce } from './fact-relay.ts'
import * as store from './relay-store.ts'
import { shipmentId } from './shipment.ts'

/**
 * Tells orders what happened to its shipments, and the carrier what is called off, until each has heard it. Two loops, so that
 * neither waits for the other. Several instances may tell the same: every repeat is harmless.
 */

const AT_MOST = 256

export type Relay = { /** Look now: something was just written. */ wake(): void; stop(): Promise<void> }

type Dependencies = FactRelay & { carrier: Carrier }

export function startRelay(dependencies: Dependencies): Relay {
  const { log } = dependencies
  const loops = [
    startLoop({ name: 'telling orders', work: () => relayFactsOnce(dependencies), log }),
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

async function tellCarrierOnce({ db, carrier, log }: { db: Database; carrier: Carrier; log: Log }): Promise<'more' | 'idle'> {
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
