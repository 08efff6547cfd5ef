import type { Log } from '../platform/log.ts'
import type { Answer } from '../platform/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import { askCarrier, type Carrier } from './carrier.ts'
import { shipmentId } from './shipment.ts'
import * as store from './store.ts'

/** Tells orders what happened to its shipments, and the carrier what is called off, until each has heard it. */

const AT_MOST = 256
const LOOK_EVERY_MS = 1_000
const LONGEST_PAUSE_MS = 5_000

/** How a fact reaches orders. Repeats are harmless there; an answer of `unknown` means: not yet, tell me again. */
export type TellOrders = (facts: store.Fact[]) => Promise<Answer<unknown>[]>

export type Relay = { /** Look now: something was just written. */ wake(): void; stop(): Promise<void> }

type Dependencies = { db: Database; carrier: Carrier; tellOrders: TellOrders; log: Log }

export function startRelay(dependencies: Dependencies): Relay {
  let stopped = false
  let failures = 0
  let woken = false
  let wakeUp = () => {}
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      wakeUp = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  const loop = async () => {
    while (!stopped) {
      woken = false
      let again = false
      try {
        const settled = [await tellOrdersOnce(dependencies), await tellCarrierOnce(dependencies)]
        failures = settled.includes('stuck') ? failures + 1 : 0
        again = settled.includes('more') && failures === 0
      } catch (error) {
        failures++
        dependencies.log.debug({ error: (error as Error).message, failures }, 'could not tell; trying again')
      }
      if (stopped || again || (woken && failures === 0)) continue
      await pause(failures === 0 ? LOOK_EVERY_MS : 100 + Math.random() * Math.min(LONGEST_PAUSE_MS, 100 * 2 ** failures))
    }
  }
  const ended = loop()
  return {
    wake() {
      woken = true
      if (failures === 0) wakeUp()
    },
    async stop() {
      stopped = true
      wakeUp()
      await ended
    },
  }
}

type Progress = 'nothing' | 'more' | 'stuck'

/** A fact of an order that orders does not know yet as confirmed stays untold; the others go on. */
async function tellOrdersOnce({ db, tellOrders, log }: Dependencies): Promise<Progress> {
  const facts = await store.untoldFacts(db, AT_MOST)
  if (facts.length === 0) return 'nothing'
  const answers = await tellOrders(facts)
  const told = facts.filter((_, i) => answers[i]?.kind === 'done' || answers[i]?.kind === 'refused')
  facts.forEach((fact, i) => {
    const answer = answers[i]
    const line = { order_id: fact.order_id, shipment_id: shipmentId({ orderId: fact.order_id, number: fact.number }), status: fact.status }
    if (answer?.kind === 'done') log.info(line, 'orders was told')
    if (answer?.kind === 'refused') log.warn({ ...line, code: answer.code }, `orders does not take it: ${answer.message}`)
  })
  if (told.length > 0) await store.markTold(db, told.map((fact) => fact.id))
  return told.length === facts.length ? 'more' : 'stuck'
}

async function tellCarrierOnce({ db, carrier, log }: Dependencies): Promise<Progress> {
  const due = await store.carrierCancelsDue(db, AT_MOST)
  if (due.length === 0) return 'nothing'
  const shipments = due.filter((row) => row.number !== null)
  const answers = await askCarrier(shipments.map((row) => shipmentId({ orderId: row.order_id, number: row.number })), (ids) => carrier.cancel(ids))
  const failed = new Set(shipments.filter((_, i) => answers[i]?.kind !== 'cancelled').map((row) => row.order_id))
  // A full page may have cut an order in two: it comes again, and cancelling twice does nothing.
  if (due.length === AT_MOST) failed.add(due.at(-1)?.order_id ?? '')
  const off = [...new Set(due.map((row) => row.order_id))].filter((orderId) => !failed.has(orderId))
  if (off.length > 0) await store.markCarrierCancelled(db, off)
  for (const order_id of off) log.info({ order_id }, 'the carrier was told that it is off')
  return off.length > 0 ? 'more' : 'stuck'
}
