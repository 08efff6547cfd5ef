import type { Broker, Consumer, Delivery, Verdict } from '../broker/broker.ts'
import { isUuid } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import type { Database } from '../platform/postgres.ts'
import type { Coordinator } from './coordinator.ts'
import { recordFacts, type ShipmentTold } from './record.ts'
import * as store from './store.ts'

/**
 * What the other services tell orders over the broker. Every message may come twice, late, and after a newer one: a shipment only moves forward, and looking at
 * an order once more does no harm, so nothing needs to be remembered of what has come. None is the only copy: shipping asks whether we know, and a
 * waiting order looks by itself.
 */

const AT_ONCE = 256
const MOST_ATTEMPTS = 20
/** What only a newer version knows comes again, by then perhaps to an instance of that: ten minutes in all. */
const NEWER_PAUSE_MS = 30_000

type Dependencies = { broker: Broker; coordinator: Coordinator; db: Database; leaseMs: number; log: Log }
type Fact = { kind: 'shipment'; told: ShipmentTold } | { kind: 'payment'; orderId: string } | { kind: 'newer'; type: string }

/** @throws never for a broker that is away: it goes on by itself. */
export function startInbox(dependencies: Dependencies): Promise<Consumer> {
  const handle = (deliveries: readonly Delivery[]) => takeIn(deliveries, dependencies)
  return dependencies.broker.consume('orders.facts', handle, { maxInFlight: AT_ONCE, maxAttempts: MOST_ATTEMPTS })
}

/** @throws when the database is down: then all come again. */
async function takeIn(deliveries: readonly Delivery[], { coordinator, db, leaseMs, log }: Dependencies): Promise<Verdict[]> {
  const facts = deliveries.map((delivery) => readFact(delivery.body))
  const shipments = facts.flatMap((fact) => (fact?.kind === 'shipment' ? fact.told : []))
  const paid = facts.flatMap((fact) => (fact?.kind === 'payment' && !coordinator.running(fact.orderId) ? fact.orderId : []))
  const [answers, waiting] = await Promise.all([
    recordFacts({ db, coordinator, log }, shipments),
    paid.length > 0 ? store.claimWaitingOrders(db, paid, { service: 'payment', leaseMs }) : [],
  ])
  // Not waited for: they are as safe as any order in work.
  for (const order of waiting) void coordinator.run(order)
  const byFact = new Map(shipments.map((told, i) => [told, answers[i]]))
  return facts.map((fact): Verdict => {
    if (!fact) return { do: 'dead', error: 'not a fact that orders knows' }
    if (fact.kind === 'newer')
      return { do: 'retry', afterMs: NEWER_PAUSE_MS, error: `${fact.type}: not a fact that this version of orders knows` }
    const answer = fact.kind === 'shipment' ? byFact.get(fact.told) : undefined
    // Unknown is no trouble: shipping asks again until we know.
    return answer?.kind === 'refused' ? { do: 'dead', error: `${answer.code}: ${answer.message}` } : { do: 'ack' }
  })
}

function readFact(body: unknown): Fact | undefined {
  const { type, order_id: orderId, shipment_id: shipmentId } = (body ?? {}) as Record<string, unknown>
  if (typeof orderId !== 'string' || !isUuid(orderId) || typeof type !== 'string') return undefined
  if (type === 'payment.resolved') return { kind: 'payment', orderId }
  if (type !== 'shipment.dispatched' && type !== 'shipment.delivered') return { kind: 'newer', type }
  if (typeof shipmentId !== 'string') return undefined
  return { kind: 'shipment', told: { orderId, shipmentId, status: type.slice('shipment.'.length) } }
}
