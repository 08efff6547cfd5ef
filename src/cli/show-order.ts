import { type Cell, count, money, table } from './table.ts'
import type { Terminal } from './terminal.ts'
import type { OrderJson } from './wire.ts'

export function colored({ colors }: Terminal, status: string): string {
  if (status === 'confirmed' || status === 'dispatched' || status === 'delivered') return colors.green(status)
  return status === 'pending' ? colors.yellow(status) : colors.red(status)
}

/** An order as a person wants to see it: what, how much, and how it stands. */
export function showOrder(terminal: Terminal, order: OrderJson): string {
  const { bold, dim } = terminal.colors
  const amount = (minor: number) => (order.currency ? money(minor, order.currency) : '')
  const rows = order.items.map((item): Cell[] => [
    item.product_id,
    item.quantity,
    item.unit_price_minor > 0 ? amount(item.unit_price_minor) : '',
    item.discount_basis_points > 0 ? `${item.discount_basis_points / 100}%` : '',
    item.amount_minor > 0 ? amount(item.amount_minor) : '',
  ])
  const lines = [
    `${bold('order')} ${order.id}  ${colored(terminal, order.status)}  ${dim(`for ${order.user_id}, ${order.created_at}`)}`,
    table(terminal, { heads: ['product', 'quantity', 'unit price', 'discount', 'amount'], rows }),
  ]
  if (order.total_minor > 0)
    lines.push(`total ${bold(amount(order.total_minor))}${order.freight_minor > 0 ? ` with ${amount(order.freight_minor)} freight` : ''}`)
  if (order.rejection) lines.push(`rejected: ${order.rejection.code}: ${order.rejection.message}`)
  if (order.waiting) lines.push(showWaiting(order.waiting))
  if (order.payment)
    lines.push(`payment ${order.payment.id}  ${order.payment.status}  ${amount(order.payment.amount_minor)} by ${order.payment_method}`)
  for (const shipment of order.shipments) {
    const what = shipment.items.map((item) => `${count(item.quantity)} × ${item.product_id}`).join(', ')
    lines.push(
      `shipment ${shipment.id}  ${shipment.status}  ${what} from ${shipment.location_id}  ${dim(`${shipment.carrier} ${shipment.tracking_number}`)}`,
    )
  }
  return lines.join('\n')
}

export function showWaiting(waiting: NonNullable<OrderJson['waiting']>): string {
  if (waiting.dead_since)
    return `lies on the dead-letter desk since ${waiting.dead_since} (${waiting.dead_reason}): could not ${waiting.work}: ${waiting.reason}`
  const forWhom = waiting.service ? `waits for ${waiting.service}` : 'is being worked on'
  const next = waiting.next_try_at ? `, next try ${waiting.next_try_at}` : ''
  return `${forWhom} to ${waiting.work}${waiting.reason ? ` (${waiting.reason})` : ''}${next}`
}
