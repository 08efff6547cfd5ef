import { type Check, each } from './state.ts'
import { isSold } from './stock.ts'

/** Hold when all is at rest. */
export const shipmentsAtRest: Check = ({ orders, decisions, shipments }) => [
  ...each(
    'an order that is confirmed has one live set of shipments with its items, and no other has any',
    new Set([...orders.keys(), ...shipments.keys()]),
    (id) => {
      const order = orders.get(id)
      const list = shipments.get(id) ?? []
      const live = list.filter((shipment) => shipment.status !== 'cancelled')
      if (!order) return `shipments of an order that does not exist: ${JSON.stringify(list)}`
      if (order.dead_reason) return false
      if (!isSold(order)) return live.length > 0 && `${order.status}, but ${live.length} shipments are ${live.map((one) => one.status)}`
      if (decisions.get(id)?.status !== 'created') return `${order.status}, but shipping says ${decisions.get(id)?.status}`
      const units = (items: { product_id: string; quantity: number }[]) => {
        const sums = new Map<string, number>()
        for (const item of items) sums.set(item.product_id, (sums.get(item.product_id) ?? 0) + item.quantity)
        return [...sums]
          .map(([product, quantity]) => `${product}×${quantity}`)
          .sort()
          .join()
      }
      const [wanted, sent] = [units(order.items), units(live.flatMap((shipment) => shipment.items))]
      return wanted !== sent && `wants ${wanted}, is sent ${sent}`
    },
    (id) => id,
  ),
  ...each(
    'orders knows what became of its shipments',
    orders.values(),
    (order) => {
      if (!isSold(order)) return false
      const theirs = (shipments.get(order.id) ?? [])
        .map((one) => `${one.order_id}-${one.number} ${one.status}`)
        .sort()
        .join()
      const ours = order.shipments
        .map((one) => `${one.id} ${one.status}`)
        .sort()
        .join()
      if (ours !== theirs) return `orders says ${ours}, shipping ${theirs}`
      const statuses = order.shipments.map((one) => one.status)
      const expected = statuses.every((status) => status === 'created')
        ? 'confirmed'
        : statuses.every((status) => status === 'delivered')
          ? 'delivered'
          : 'dispatched'
      return order.status !== expected && `it is ${order.status}, its shipments are ${statuses}`
    },
    (order) => order.id,
  ),
]
