import type { Seen } from '../load/journal.ts'
import { type Check, each, type OrderRow, type State } from './state.ts'
import { isSold } from './stock.ts'

/** Which statuses may be seen after which; a step may be missed. */
const LATER: Record<string, string[]> = {
  pending: ['pending', 'confirmed', 'dispatched', 'delivered', 'rejected', 'cancelled'],
  confirmed: ['confirmed', 'dispatched', 'delivered', 'cancelled'],
  dispatched: ['dispatched', 'delivered'],
  delivered: ['delivered'],
  rejected: ['rejected'],
  cancelled: ['cancelled'],
}
const STATUS_OF_EVENT: Record<string, string> = {
  'order.accepted': 'pending',
  'order.confirmed': 'confirmed',
  'order.rejected': 'rejected',
  'order.cancelled': 'cancelled',
}

/** Hold at any instant. */
export const ordersAlways: Check = ({ journal, orders }) => [
  ...journal.wrong.map((details) => ({ invariant: 'an accepted order can be found', details })),
  ...each('an accepted order exists', journal.entries, (entry) => {
    const missing = [...entry.orderIds].filter((id) => !orders.has(id))
    return missing.length > 0 && `${entry.key} was answered with ${missing}`
  }),
  ...each('one key is one order', journal.entries, (entry) => {
    if (entry.orderIds.size > 1) return `${entry.key} was answered with ${[...entry.orderIds]}`
    const [id] = entry.orderIds
    const stored = id ? orders.get(id)?.idempotency_key : entry.key
    return stored !== entry.key && `${entry.key} was answered with ${id}, which has the key ${stored}`
  }),
  ...each('a key that was used is not taken for another body', journal.entries, (entry) => entry.wrongBodyTaken && entry.key),
  ...each(
    'a customer sees an order go only forwards',
    journal.entries,
    ({ seen }) => {
      // Only where one answer was there before the other question was asked.
      const isBackwards = (look: Seen) => seen.some((earlier) => earlier.at < look.askedAt && !LATER[earlier.status]?.includes(look.status))
      const wrong = seen.some(isBackwards)
      return wrong && seen.map((look) => `${look.status} at ${Math.round(look.at)}`).join(', ')
    },
    ({ orderIds }) => [...orderIds][0] ?? '',
  ),
]

/** Hold when all is at rest. */
export const ordersAtRest: Check = (state) => {
  const { orders, events, journal } = state
  const byId = (order: OrderRow) => order.id
  return [
    ...each(
      'every order ends',
      orders.values(),
      (order) =>
        (order.status === 'pending' || order.work !== null) &&
        order.dead_reason === null &&
        `${order.status}, work ${order.work}, waits for ${order.waiting_service}: ${order.waiting_reason}`,
      byId,
    ),
    ...each(
      'nothing unforeseen happened to an order',
      orders.values(),
      (order) => order.dead_reason === 'unforeseen_error' && `${order.work}`,
      byId,
    ),
    ...each('a total is the sum of its items', orders.values(), (order) => isSold(order) && wrongTotal(order, state), byId),
    ...each(
      'the history tells how the order stands',
      orders.values(),
      (order) => {
        const list = events.get(order.id) ?? []
        const told = list.flatMap((event) => STATUS_OF_EVENT[event.type] ?? (event.data.order_status as string | undefined) ?? [])
        if (list[0]?.type !== 'order.accepted') return `it begins with ${list[0]?.type}`
        const wrong = told.find((status, i) => i > 0 && !LATER[told[i - 1] ?? '']?.includes(status))
        if (wrong) return `it goes ${told}`
        const often = Object.keys(STATUS_OF_EVENT).find((type) => list.filter((event) => event.type === type).length > 1)
        if (often) return `${often} came more than once`
        return told.at(-1) !== order.status && `it ends with ${told.at(-1)}, the order is ${order.status}`
      },
      byId,
    ),
    ...each(
      'an order whose cancel was taken ends cancelled',
      journal.entries,
      ({ isCancelled, orderIds }) => {
        const order = orders.get([...orderIds][0] ?? '')
        return isCancelled && order && order.status !== 'cancelled' && order.dead_reason === null && `it is ${order.status}`
      },
      ({ orderIds }) => [...orderIds][0] ?? '',
    ),
    ...each(
      'the last that a customer saw still holds',
      journal.entries,
      ({ seen, orderIds }) => {
        const last = seen.at(-1)?.status
        const order = orders.get([...orderIds][0] ?? '')
        return last && order && !LATER[last]?.includes(order.status) && `saw ${last}, it is ${order.status}`
      },
      ({ orderIds }) => [...orderIds][0] ?? '',
    ),
  ]
}

/** Own arithmetic: quantity × price less the discount, each line rounded half up. */
function wrongTotal(order: OrderRow, { products }: State): string | false {
  let total = order.freight_minor
  for (const item of order.items) {
    const price = products.find((product) => product.id === item.product_id)?.unitPriceMinor ?? Number.NaN
    total += Math.floor((item.quantity * price * (10_000 - item.discount_basis_points) + 5_000) / 10_000)
  }
  return total !== order.total_minor && `${order.total_minor} instead of ${total}`
}
