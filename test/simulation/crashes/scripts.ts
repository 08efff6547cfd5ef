import type { Body } from '../load/customer.ts'

/** Stories of one order. In each of them every process is made to die at every step. */
export type Script = {
  name: string
  body: Partial<Body>
  /** How the order must end, whoever dies. */
  ends: string[]
  /** The customer cancels at the first effect that this matches. */
  cancelsAt?: RegExp
  /** Two requests with the same key, at two gateways. */
  asksTwice?: true
  /** The warehouse dispatches it once it is confirmed, and delivers it. */
  ships?: true
}

/** There are 50 of `a` in two places, none of `none`. */
export const PRODUCTS = [
  {
    id: 'a',
    unitPriceMinor: 1_000,
    stock: [
      { location_id: 'north', on_hand: 3 },
      { location_id: 'south', on_hand: 47 },
    ],
  },
  { id: 'b', unitPriceMinor: 333, stock: [{ location_id: 'north', on_hand: 50 }] },
  { id: 'none', unitPriceMinor: 100, stock: [{ location_id: 'north', on_hand: 0 }] },
]
const items = [
  { product_id: 'a', quantity: 5 },
  { product_id: 'b', quantity: 2 },
]
const cancelled = (name: string, cancelsAt: RegExp): Script => ({ name, body: {}, ends: ['cancelled', 'confirmed'], cancelsAt })

export const SCRIPTS: Script[] = [
  { name: 'confirmed', body: {}, ends: ['confirmed'] },
  { name: 'out of stock', body: { items: [...items, { product_id: 'none', quantity: 1 }] }, ends: ['rejected'] },
  { name: 'declined', body: { payment_token: 'tok_declined' }, ends: ['rejected'] },
  { name: 'unknown, then charged', body: { payment_token: 'tok_timeout_after' }, ends: ['confirmed'] },
  { name: 'unknown, then not charged', body: { payment_token: 'tok_timeout_before' }, ends: ['confirmed'] },
  { name: 'charge appears late', body: { payment_token: 'tok_late' }, ends: ['confirmed'] },
  { name: 'charged a wrong amount', body: { payment_token: 'tok_wrong_amount' }, ends: ['rejected'] },
  {
    name: 'carrier refuses',
    body: { address: { name: 'A', line1: 'South Pole', city: 'Base', postal_code: '0', country: 'AQ' } } as Partial<Body>,
    ends: ['rejected'],
  },
  { name: 'asked twice at once', body: {}, ends: ['confirmed'], asksTwice: true },
  cancelled('cancelled before reserving', /^call .*reserveStock/),
  cancelled('cancelled after reserving', /^reply .*reserveStock/),
  cancelled('cancelled before paying', /^call .*authorizePayments/),
  cancelled('cancelled after paying', /^reply .*authorizePayments/),
  cancelled('cancelled before shipping', /^call .*createShipments/),
  cancelled('cancelled after shipping', /^reply .*createShipments/),
  { ...cancelled('cancelled, and charged late', /^call .*authorizePayments/), body: { payment_token: 'tok_late' } },
  { name: 'dispatched and delivered', body: {}, ends: ['delivered'], ships: true },
]

export const bodyOf = (script: Script): Body =>
  ({ user_id: 'u1', items, payment_method: 'credit_card', payment_token: 'tok_ok', ...script.body }) as Body
