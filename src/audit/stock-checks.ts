import type { Check } from './check.ts'

/** Invariants of stock and reservations. */

// A reservation, part by part: what it took where, and whether that has left.
const PARTS = `
      select r.order_id, r.status, r.updated_at, item.product_id, part.location_id, part.quantity, part.location_id = any(r.committed_locations) as has_left
      from reservations r
      cross join lateral jsonb_to_recordset(r.items) as item(product_id text, allocations jsonb)
      cross join lateral jsonb_to_recordset(item.allocations) as part(location_id text, quantity bigint)`

// Of orders that ended before that, movements may have been folded (decision 0024): what is left of them and what was folded must add up for all together.
const MAY_BE_FOLDED = (reservation: string) =>
  `${reservation}.status in ('committed', 'released') and ${reservation}.updated_at < (select max(folded_until) from opening_balances)`

export const stockChecks: readonly Check[] = [
  {
    id: 'I05',
    promise: 'P2',
    kind: 'always',
    on: 'inventory',
    about: 'stock',
    title: '0 <= reserved <= on hand, for every product at every location',
    query: 'select product_id, location_id, on_hand, reserved from stock where not (0 <= reserved and reserved <= on_hand)',
  },
  {
    id: 'I06',
    promise: 'P2',
    kind: 'always',
    on: 'inventory',
    about: 'stock',
    title: 'reserved is what reservations hold that has not left yet',
    query: `
      select coalesce(s.product_id, held.product_id) as product_id, coalesce(s.location_id, held.location_id) as location_id,
             s.reserved, coalesce(held.units, 0) as held
      from stock s full join (
        select product_id, location_id, sum(quantity) as units from (${PARTS}) p where status = 'held' and not has_left group by 1, 2
      ) held on held.product_id = s.product_id and held.location_id = s.location_id
      where coalesce(s.reserved, 0) <> coalesce(held.units, 0)`,
  },
  {
    id: 'I07',
    promise: 'P2',
    kind: 'always',
    on: 'inventory',
    about: 'movements',
    title: 'the movements of each order (of folded ones: of all together) come to what its reservation holds and what has left',
    query: `
      select order_id, product_id, location_id, sum(reserved) as reserved_off_by, sum(on_hand) as on_hand_off_by from (
        select case when ${MAY_BE_FOLDED('r')} then null else m.order_id end as order_id, m.product_id, m.location_id, m.reserved_delta as reserved, m.on_hand_delta as on_hand
        from movements m left join reservations r on r.order_id = m.order_id where m.order_id is not null
        union all
        select null, product_id, location_id, reserved, on_hand from opening_balances
        union all
        select case when ${MAY_BE_FOLDED('p')} then null else order_id end, product_id, location_id,
               case when status = 'held' and not has_left then -quantity else 0 end, case when has_left then quantity else 0 end
        from (${PARTS}) p
      ) moved_less_wanted group by 1, 2, 3 having sum(reserved) <> 0 or sum(on_hand) <> 0`,
  },
  {
    id: 'I08',
    promise: 'P2',
    kind: 'always',
    on: 'inventory',
    about: 'movements',
    title: 'stock is the sum of its movements and its opening balance',
    query: `
      select coalesce(s.product_id, m.product_id) as product_id, coalesce(s.location_id, m.location_id) as location_id,
             s.on_hand, m.on_hand as moved_on_hand, s.reserved, m.reserved as moved_reserved
      from stock s full join (
        select product_id, location_id, sum(on_hand_delta) as on_hand, sum(reserved_delta) as reserved from (
          select product_id, location_id, on_hand_delta, reserved_delta from movements
          union all
          select product_id, location_id, on_hand, reserved from opening_balances
        ) ledger group by 1, 2
      ) m on m.product_id = s.product_id and m.location_id = s.location_id
      where (coalesce(s.on_hand, 0), coalesce(s.reserved, 0)) is distinct from (coalesce(m.on_hand, 0), coalesce(m.reserved, 0))`,
  },
  {
    id: 'I09',
    promise: 'P2',
    kind: 'always',
    on: 'inventory',
    about: 'reservations',
    title: 'a reservation takes exactly its quantities, and is committed exactly when all of it has left',
    query: `
      select r.order_id, r.status, r.committed_locations, r.items
      from reservations r cross join lateral (
        select bool_or(item.quantity is distinct from (select sum(part.quantity) from jsonb_to_recordset(item.allocations) as part(quantity bigint))) as is_off,
               bool_and((select bool_and(part.location_id = any(r.committed_locations)) from jsonb_to_recordset(item.allocations) as part(location_id text))) as all_left
        from jsonb_to_recordset(r.items) as item(quantity bigint, allocations jsonb)) i
      where (r.status in ('held', 'committed', 'released') and i.is_off is distinct from false)
        or (r.status in ('held', 'committed') and (r.status = 'committed') is distinct from i.all_left)
        or (r.status not in ('held', 'committed') and r.committed_locations <> '{}')
        or (r.status in ('refused', 'tombstone') and r.items <> '[]')`,
  },
  {
    id: 'I10',
    promise: 'P2',
    kind: 'at rest',
    on: 'copies',
    about: 'reservations',
    title: 'an order that ended without goods holds and took no stock',
    query: `
      select o.id as order_id, o.status, o.rejected_by, r.status as reservation, r.contents
      from o_orders o join i_reservations r on r.order_id = o.id
      where o.at_rest and o.status in ('rejected', 'cancelled') and r.status in ('held', 'committed')`,
  },
  {
    id: 'I11',
    promise: 'P2',
    kind: 'at rest',
    on: 'copies',
    about: 'orders',
    title: 'a confirmed, dispatched or delivered order has its stock, exactly the items it has',
    query: `
      select o.id as order_id, o.status, o.contents, r.status as reservation, r.contents as reserved
      from o_orders o left join i_reservations r on r.order_id = o.id
      where o.at_rest and o.status in ('confirmed', 'dispatched', 'delivered')
        and (r.status is null or r.status not in ('held', 'committed') or r.contents is distinct from o.contents)`,
  },
  {
    id: 'I31',
    promise: 'P2',
    kind: 'at rest',
    on: 'copies',
    about: 'orders',
    title: 'stock has left exactly where shipments have left',
    query: `
      select o.id as order_id, o.status, r.left_from as stock_left, s.left_from as shipments_left
      from o_orders o left join i_reservations r on r.order_id = o.id left join s_orders s on s.order_id = o.id
      where o.at_rest and coalesce(r.left_from, '') <> coalesce(s.left_from, '')`,
  },
  {
    id: 'I32',
    promise: 'P3',
    kind: 'at rest',
    on: 'copies',
    about: 'orders',
    title: 'an order has the prices and the currency that its stock was reserved at',
    query: `
      select o.id as order_id, o.status, o.currency, o.prices, r.currency as reserved_currency, r.prices as reserved_prices
      from o_orders o left join i_reservations r on r.order_id = o.id
      where o.at_rest and o.status in ('confirmed', 'dispatched', 'delivered')
        and (o.currency, o.prices) is distinct from (r.currency, r.prices)`,
  },
]
