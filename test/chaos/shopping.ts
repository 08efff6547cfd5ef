import type { Chance } from './chance.ts'

/** What customers buy, and what else they do with an order. */

export type Product = { id: string; units: number }
export type Body = {
  user_id: string
  items: { product_id: string; quantity: number }[]
  payment_method: string
  payment_token?: string
}
export type Plan = {
  key: string
  body: Body
  /** The value of Prefer. */
  prefer: string | undefined
  /** The same request goes to both gateways at once. */
  twice: boolean
  /** After its end the key is sent again, with the same body or with another. */
  again: 'no' | 'same body' | 'other body'
  afterwards: keyof typeof AFTERWARDS
}

const AFTERWARDS = {
  nothing: 60,
  /** As soon as the order is taken. */
  'cancel at once': 8,
  'cancel later': 7,
  dispatch: 10,
  'dispatch and deliver': 10,
  'dispatch and cancel': 5,
}
/** Test tokens of the simulated provider: it declines, loses requests and answers, charges late, or another amount. */
const TOKENS = {
  '': 76,
  tok_declined: 6,
  tok_insufficient_funds: 2,
  tok_timeout_after: 4,
  tok_error_500: 4,
  tok_late: 3,
  tok_slow: 2,
  tok_timeout_before: 2,
  tok_wrong_amount: 1,
}
const METHODS = { credit_card: 80, paypal: 10, cash_on_delivery: 10 }
const LOCATIONS = ['madrid', 'sevilla', 'bilbao']
const PRODUCTS = 20

/** One that everybody wants and that runs out, a few that are scarce, and plenty of the rest. */
export const PRODUCTS_ON_SALE: readonly Product[] = Array.from({ length: PRODUCTS }, (_, i) => ({
  id: i === 0 ? 'hot' : i < 4 ? `scarce-${i}` : `plenty-${i}`,
  units: i === 0 ? 600 : i < 4 ? 60 : 100_000,
}))
export const NOT_ON_SALE = 'never-heard-of'

/** As REST takes it. */
export const newProduct = ({ id, units }: Product) => ({
  ...{ id, name: `Chaos ${id}`, unit_price_minor: 100 + id.length * 37, currency: 'EUR', weight_grams: 250 },
  stock: LOCATIONS.map((location_id, i) => ({ location_id, on_hand: Math.floor(units / (i + 1) / 2) })),
})

/** @param leaveOut payment tokens in whose place an ordinary card is drawn. */
export function drawPlan(chance: Chance, n: number, leaveOut: readonly string[] = []): Plan {
  const ids = new Set(Array.from({ length: chance.whole(1, 3) }, () => (chance.happens(0.25) ? 'hot' : chance.pick(PRODUCTS_ON_SALE).id)))
  if (chance.happens(0.01)) ids.add(NOT_ON_SALE)
  const payment_method = chance.weighted(METHODS)
  const drawn = chance.weighted(TOKENS)
  const token = leaveOut.includes(drawn) ? '' : drawn
  return {
    key: `chaos-${n}`,
    body: {
      user_id: `customer-${chance.whole(1, 500)}`,
      items: [...ids].map((product_id) => ({ product_id, quantity: chance.whole(1, 3) })),
      payment_method,
      ...(payment_method === 'credit_card' && token !== '' && { payment_token: token }),
    },
    prefer: chance.pick([undefined, undefined, 'respond-async', 'wait=1', 'wait=5']),
    twice: chance.happens(0.06),
    again: chance.weighted({ no: 90, 'same body': 7, 'other body': 3 }),
    afterwards: chance.weighted(AFTERWARDS),
  }
}

export const RECEIPT = 'receipt-'

/** Goods that arrive, for what is scarce. */
export function drawDelivery(chance: Chance, n: number) {
  const productId = chance.pick(PRODUCTS_ON_SALE.filter(({ units }) => units < 1_000)).id
  const body = { receipt_id: `${RECEIPT}${n}`, location_id: chance.pick(LOCATIONS), quantity: chance.whole(1, 20), reason: 'chaos' }
  return { productId, body }
}
