import type { Chance } from '../world/chance.ts'
import { CALM, type Rates } from '../world/faults.ts'

/** What a seed draws: which faults there are at all (a swarm: few at a time find more than all at once), how often, and what is asked of the system. */

export type PlannedProduct = { id: string; stock: { location_id: string; on_hand: number }[]; unitPriceMinor: number }
export type OrderKind = 'ordinary' | 'cash' | 'not served' | 'wrong total' | 'unknown product'

/** Mean time between, in ms; 0: never. */
export type Nemesis = {
  crashMs: number
  crashAllMs: number
  pauseMs: number
  databaseDownMs: number
  brokerAmnesiaMs: number
  cutMs: number
}

export type Plan = {
  chance: Chance
  /** Little goes wrong: most orders must be confirmed. */
  isLight: boolean
  orders: number
  /** In which orders arrive and faults happen. */
  arrivalMs: number
  bursts: boolean
  /** Whether customers wait for the end of their order. */
  waits: boolean
  hotness: number
  doubleClicks: number
  cancels: number
  dispatches: number
  restocks: number
  tokens: string[]
  orderKinds: Record<OrderKind, number>
  products: PlannedProduct[]
  rates: Rates
  nemesis: Nemesis
  skewMs: number
  restartMs: [number, number]
  settings: NodeJS.ProcessEnv
}

const TROUBLED_TOKENS = [
  ...['tok_declined', 'tok_insufficient_funds', 'tok_slow', 'tok_timeout_before', 'tok_timeout_after', 'tok_error_500', 'tok_late'],
  'tok_wrong_amount',
]

export function drawPlan(chance: Chance, orders: number): Plan {
  const isLight = chance.hits(0.25)
  const on = (probability: number) => chance.hits(probability)
  const rate = (probability: number, low: number, high: number) => {
    const value = low * (high / low) ** chance.next()
    return on(isLight ? probability / 4 : probability) ? (isLight ? low : value) : 0
  }
  const every = (probability: number, low: number, high: number) => {
    const value = chance.between(low, high)
    return on(probability) && !isLight ? value : 0
  }
  return {
    chance: chance.split('plan'),
    ...{ isLight, orders, arrivalMs: chance.between(3_000, 40_000), bursts: on(0.3), waits: on(0.6) },
    ...{ hotness: on(0.5) ? 0.7 : 0, doubleClicks: on(0.5) ? 0.3 : 0.02, cancels: on(0.6) ? (isLight ? 0.02 : 0.3) : 0 },
    ...{ dispatches: on(0.7) ? 0.8 : 0, restocks: on(0.4) ? chance.int(1, 6) : 0 },
    tokens: drawTokens(chance.split('tokens'), isLight),
    orderKinds: {
      ordinary: 20,
      ...{ cash: on(0.5) ? 2 : 0, 'not served': isLight ? 0 : 1, 'wrong total': isLight ? 0 : 1, 'unknown product': 0.5 },
    },
    products: drawProducts(chance.split('products'), { orders, isLight }),
    rates: {
      ...CALM,
      ...{ callSlow: rate(0.3, 0.005, 0.2), requestLost: rate(0.4, 0.002, 0.3), replyLost: rate(0.4, 0.002, 0.3) },
      ...{ requestDoubled: rate(0.4, 0.01, 0.5), statementLost: rate(0.4, 0.001, 0.05), answerLost: rate(0.4, 0.001, 0.05) },
      ...{ statementSlow: rate(0.2, 0.001, 0.01), conflict: rate(0.3, 0.001, 0.1), crash: rate(isLight ? 0 : 0.5, 0.0005, 0.02) },
    },
    nemesis: {
      ...{ crashMs: every(0.5, 500, 15_000), crashAllMs: every(0.1, 10_000, 40_000), pauseMs: every(0.4, 1_000, 15_000) },
      ...{ databaseDownMs: every(0.3, 4_000, 30_000), brokerAmnesiaMs: every(0.3, 2_000, 20_000), cutMs: every(0.3, 1_000, 15_000) },
    },
    skewMs: on(0.3) ? chance.pick([50, 5_000, 60_000, 3_600_000]) : 0,
    restartMs: on(0.7) ? [50, 3_000] : [1_000, 30_000],
    settings: { LEASE_MS: String(chance.pick([1_500, 5_000, 10_000])), RPC_TIMEOUT_MS: String(chance.pick([1_000, 5_000])) },
  }
}

function drawTokens(chance: Chance, isLight: boolean): string[] {
  if (isLight) return ['tok_ok']
  const troubled = chance.hits(0.6) ? Array.from({ length: chance.int(1, 8) }, () => chance.pick(TROUBLED_TOKENS)) : []
  return [...Array.from({ length: 8 }, () => 'tok_ok'), ...troubled]
}

function drawProducts(chance: Chance, { orders, isLight }: { orders: number; isLight: boolean }): PlannedProduct[] {
  const isScarce = chance.hits(0.3) && !isLight
  return Array.from({ length: chance.int(2, 6) }, (_, i) => ({
    id: `product-${i}`,
    unitPriceMinor: chance.pick([0, 1, 99, 333, 1_000, 12_345, 20_000]) + i,
    stock: Array.from({ length: chance.int(1, 3) }, (_, at) => ({
      location_id: `location-${at}`,
      on_hand: isScarce ? chance.int(0, Math.max(2, orders)) : chance.int(orders * 2, orders * 12),
    })),
  }))
}
