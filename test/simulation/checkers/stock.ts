import { type Check, each, type ReservationRow } from './state.ts'

/** Hold at any instant. */
export const stockAlways: Check = ({ stock, movements, reservations, journal, products }) => {
  const place = (row: { product_id: string; location_id: string }) => `${row.product_id} ${row.location_id}`
  const sums = new Map<string, { on_hand: number; reserved: number; came: number }>()
  for (const row of movements) {
    const sum = sums.get(place(row)) ?? { on_hand: 0, reserved: 0, came: 0 }
    sums.set(place(row), sum)
    sum.on_hand += row.on_hand_delta
    sum.reserved += row.reserved_delta
    if (row.kind === 'received') sum.came += row.on_hand_delta
  }
  const held = new Map<string, number>()
  for (const row of reservations.values()) {
    if (row.status !== 'held') continue
    for (const part of partsOf(row)) {
      if (!row.committed_locations.includes(part.location_id)) held.set(place(part), (held.get(place(part)) ?? 0) + part.quantity)
    }
  }
  const cameAtMost = new Map(
    products.flatMap(({ id, stock: levels }) => levels.map((level) => [`${id} ${level.location_id}`, level.on_hand])),
  )
  for (const [where, units] of journal.received) cameAtMost.set(where, (cameAtMost.get(where) ?? 0) + units)
  return [
    ...each(
      'stock is never below zero, and never reserved twice',
      stock,
      (row) => (row.reserved < 0 || row.reserved > row.on_hand) && JSON.stringify(row),
    ),
    ...each('stock is the sum of its movements', stock, (row) => {
      const sum = sums.get(place(row)) ?? { on_hand: 0, reserved: 0 }
      return (sum.on_hand !== row.on_hand || sum.reserved !== row.reserved) && `${JSON.stringify(row)} but moved ${JSON.stringify(sum)}`
    }),
    ...each('what is reserved is what orders hold', stock, (row) => {
      const units = held.get(place(row)) ?? 0
      return units !== row.reserved && `${place(row)}: ${row.reserved} reserved, ${units} held`
    }),
    ...each('no delivery of goods counts twice', sums, ([where, { came }]) => {
      const most = cameAtMost.get(where) ?? 0
      return came > most && `${where}: ${came} came in, ${most} were sent`
    }),
  ]
}

/** Hold when all is at rest. */
export const stockAtRest: Check = ({ orders, reservations, movements, journal, products }) => {
  const sold = new Map<string, number>()
  for (const { items } of [...orders.values()].filter(isSold)) {
    for (const item of items) sold.set(item.product_id, (sold.get(item.product_id) ?? 0) + item.quantity)
  }
  const came = new Map<string, number>(products.map(({ id, stock }) => [id, stock.reduce((sum, level) => sum + level.on_hand, 0)]))
  for (const [where, units] of journal.received) {
    const id = where.split(' ')[0] as string
    came.set(id, (came.get(id) ?? 0) + units)
  }
  const received = new Map<string, number>()
  for (const row of movements)
    if (row.kind === 'received') received.set(row.product_id, (received.get(row.product_id) ?? 0) + row.on_hand_delta)
  return [
    ...each(
      'no more is sold than came in',
      sold,
      ([id, units]) => units > (came.get(id) ?? 0) && `${id}: ${units} sold, ${came.get(id)} came in`,
    ),
    ...each(
      'all goods that came in are booked',
      came,
      ([id, units]) => units !== (received.get(id) ?? 0) && `${id}: ${units} sent, ${received.get(id)} booked`,
    ),
    ...each(
      'an order holds its stock while it is confirmed, and else none',
      new Set([...orders.keys(), ...reservations.keys()]),
      (id) => {
        const order = orders.get(id)
        const row = reservations.get(id)
        if (!order) return `a reservation (${row?.status}) of an order that does not exist`
        if (order.dead_reason) return false
        if (!isSold(order))
          return (row?.status === 'held' || row?.status === 'committed') && `${order.status}, but its stock is ${row.status}`
        if (!row) return `${order.status}, but nothing was ever reserved`
        const left = order.shipments.filter((shipment) => shipment.status !== 'created').map((shipment) => shipment.location_id)
        const wanted = left.length === 0 ? 'held' : left.length === order.shipments.length ? 'committed' : 'held'
        if (row.status !== wanted)
          return `${order.status}, ${left.length} of ${order.shipments.length} parcels left, but its stock is ${row.status}`
        if ([...left].sort().join() !== [...row.committed_locations].sort().join())
          return `left from ${left}, committed at ${row.committed_locations}`
        const units = (list: { product_id: string; quantity: number }[]) =>
          list
            .map((item) => `${item.product_id}×${item.quantity}`)
            .sort()
            .join()
        return units(row.items) !== units(order.items) && `wants ${units(order.items)}, holds ${units(row.items)}`
      },
      (id) => id,
    ),
  ]
}

export const isSold = ({ status }: { status: string }) => ['confirmed', 'dispatched', 'delivered'].includes(status)

const partsOf = (row: ReservationRow) =>
  row.items.flatMap((item) => item.allocations.map((part) => ({ ...part, product_id: item.product_id })))
