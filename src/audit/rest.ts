import type { Sessions } from './sessions.ts'

/** What is under way. All zero: the system is at rest. */
export type InFlight = { orders: number; untoldFacts: number; carrierCancels: number }

export const countInFlight = (inFlight: InFlight): number => inFlight.orders + inFlight.untoldFacts + inFlight.carrierCancels

export async function readInFlight({ orders, shipping }: Pick<Sessions, 'orders' | 'shipping'>): Promise<InFlight> {
  const [working, facts, cancels] = await Promise.all([
    orders.query<{ count: number }>('select count(*) as count from orders where work is not null and dead_at is null'),
    shipping.query<{ count: number }>('select count(*) as count from facts where told_at is null'),
    shipping.query<{ count: number }>('select count(*) as count from order_shipments where carrier_cancel_due'),
  ])
  return { orders: working.rows[0]?.count ?? 0, untoldFacts: facts.rows[0]?.count ?? 0, carrierCancels: cancels.rows[0]?.count ?? 0 }
}

const LOOK_EVERY_MS = 250

/** Waits until nothing is under way, for `waitMs` at most. @returns what still is then. */
export async function waitForRest(
  sessions: Sessions,
  { waitMs, onWaiting }: { waitMs: number; onWaiting: (inFlight: InFlight) => void },
): Promise<InFlight> {
  const until = performance.now() + waitMs
  for (;;) {
    const inFlight = await readInFlight(sessions)
    const left = until - performance.now()
    if (countInFlight(inFlight) === 0 || left <= 0) return inFlight
    onWaiting(inFlight)
    await new Promise((resolve) => setTimeout(resolve, Math.min(LOOK_EVERY_MS, left)))
  }
}
