import { type ChargeRow, type Check, each } from './state.ts'
import { isSold } from './stock.ts'

const isLive = (charge: ChargeRow) =>
  charge.status === 'authorised' || (charge.status === 'captured' && charge.refunded_minor < charge.amount_minor)

/** Hold at any instant. */
export const moneyAlways: Check = ({ charges }) => [
  ...each(
    'no order is charged twice',
    charges,
    ([, list]) => list.filter(isLive).length > 1 && JSON.stringify(list),
    ([id]) => id,
  ),
]

/** Hold when all is at rest. */
export const moneyAtRest: Check = ({ orders, payments, charges, money }) => [
  ...each(
    "the provider holds an order's exact total while it is confirmed, and else nothing",
    new Set([...orders.keys(), ...charges.keys()]),
    (id) => {
      const order = orders.get(id)
      const live = (charges.get(id) ?? []).filter(isLive)
      if (!order) return `a charge of an order that does not exist: ${JSON.stringify(charges.get(id))}`
      if (order.dead_reason) return false
      const isCharged = isSold(order) && order.payment_method !== 'cash_on_delivery' && order.total_minor > 0
      if (!isCharged) return live.length > 0 && `${order.status} (${order.payment_method}), but ${JSON.stringify(live)}`
      const [charge] = live
      if (!charge) return `${order.status}, but no charge is live: ${JSON.stringify(charges.get(id))}`
      if (charge.amount_minor !== order.total_minor || charge.currency !== order.currency)
        return `total ${order.total_minor}, ${JSON.stringify(charge)}`
      const wanted = order.status === 'confirmed' ? 'authorised' : 'captured'
      return charge.status !== wanted && `${order.status}, but its charge is ${charge.status}`
    },
    (id) => id,
  ),
  ...each(
    "our book agrees with the provider's",
    payments.values(),
    (payment) => {
      const [charge] = (charges.get(payment.order_id) ?? []).filter(isLive)
      const expected = charge ? charge.status : undefined
      const ours = ['authorised', 'captured'].includes(payment.status) && payment.provider_ref ? payment.status : undefined
      return ours !== expected && `ours says ${payment.status}, the provider's ${charge?.status ?? 'nothing'}`
    },
    (payment) => payment.order_id,
  ),
  ...each(
    'what was authorised is captured, let go or still held',
    payments.values(),
    (payment) => {
      const sum = (kind: string) =>
        (money.get(payment.order_id) ?? []).reduce((all, row) => all + (row.kind === kind ? row.amount_minor : 0), 0)
      const held = sum('authorised') - sum('captured') - sum('voided')
      const wanted = payment.status === 'authorised' ? payment.amount_minor : 0
      return held !== wanted && `${payment.status}, of which ${held} is held: ${JSON.stringify(money.get(payment.order_id))}`
    },
    (payment) => payment.order_id,
  ),
]
