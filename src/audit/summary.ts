import type { Sessions } from './sessions.ts'

export type Money = { currency: string; authorised_minor: number; captured_minor: number }
export type Summary = {
  /** How many orders have each status. */
  orders: Record<string, number>
  units: { on_hand: number; held: number }
  /** By currency: authorised and not captured yet, and captured less what was refunded. */
  money: Money[]
}

/** What there is, in a few numbers. */
export async function readSummary({ orders, inventory, payment }: Sessions): Promise<Summary> {
  const [statuses, units, money] = await Promise.all([
    orders.query<{ status: string; count: number }>(`select status, count(*) as count from orders group by status
      order by array_position(array['pending', 'confirmed', 'dispatched', 'delivered', 'rejected', 'cancelled', 'returned'], status)`),
    inventory.query<{ on_hand: number; held: number }>(
      'select coalesce(sum(on_hand), 0)::bigint as on_hand, coalesce(sum(reserved), 0)::bigint as held from stock',
    ),
    payment.query<Money>(`
      select currency, coalesce(sum(amount_minor) filter (where status in ('authorised', 'capturing', 'voiding')), 0)::bigint as authorised_minor,
             sum(captured_minor - refunded_minor)::bigint as captured_minor
      from payments where currency <> '' group by currency order by currency`),
  ])
  return {
    orders: Object.fromEntries(statuses.rows.map((row) => [row.status, row.count])),
    units: units.rows[0] ?? { on_hand: 0, held: 0 },
    money: money.rows.filter((row) => row.authorised_minor !== 0 || row.captured_minor !== 0),
  }
}
