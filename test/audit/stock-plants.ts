import { type Plant, q, unlock } from './plant.ts'

export const stockPlants: readonly Plant[] = [
  {
    what: 'more is reserved than is on hand',
    breaks: ['I05'],
    sql: () => ({
      inventory: `alter table stock drop constraint never_sold_twice;
        insert into movements (product_id, location_id, kind, on_hand_delta, reserved_delta)
          select product_id, location_id, 'adjusted', reserved - 1 - on_hand, 0 from stock where product_id = 'a1' and location_id = 'madrid';
        update stock set on_hand = reserved - 1 where product_id = 'a1' and location_id = 'madrid'`,
    }),
  },
  {
    what: 'a unit is reserved for nobody',
    breaks: ['I06'],
    sql: () => ({
      inventory: `update stock set reserved = reserved + 1 where product_id = 'a1' and location_id = 'madrid';
        insert into movements (product_id, location_id, kind, on_hand_delta, reserved_delta) values ('a1', 'madrid', 'reserved', 0, 1)`,
    }),
  },
  {
    what: 'two orders swapped a unit in the ledger',
    breaks: ['I07'],
    sql: (ids) => ({
      inventory: `insert into movements (product_id, location_id, kind, on_hand_delta, reserved_delta, order_id)
        values ('a1', 'madrid', 'reserved', 0, 1, ${q(ids.confirmed)}), ('a1', 'madrid', 'released', 0, -1, ${q(ids.dispatched)})`,
    }),
  },
  {
    what: 'stock appears from nowhere',
    breaks: ['I08'],
    sql: () => ({ inventory: `update stock set on_hand = on_hand + 1 where product_id = 'a1'` }),
  },
  {
    what: 'an opening balance is not what was folded into it',
    breaks: ['I08', 'I07'],
    sql: () => ({
      inventory: `${unlock('opening_balances')} insert into opening_balances values ('a1', 'madrid', -1, 0, 2, now() - interval '1 year')`,
    }),
  },
  {
    what: 'too young movements were folded',
    breaks: ['I07'],
    sql: (ids) => ({
      inventory: `${unlock('movements')} ${unlock('opening_balances')}
        insert into opening_balances select product_id, location_id, sum(on_hand_delta), sum(reserved_delta), count(*), now() - interval '1 year'
          from movements where order_id = ${q(ids.delivered)} group by 1, 2;
        delete from movements where order_id = ${q(ids.delivered)}`,
    }),
  },
  {
    what: 'a reservation takes less than its item says',
    breaks: ['I09'],
    sql: (ids) => ({
      inventory: `update reservations set items = jsonb_set(items, '{0,quantity}', '99') where order_id = ${q(ids.confirmed)}`,
    }),
  },
  {
    what: 'stock stays held for a cancelled order',
    breaks: ['I10'],
    sql: (ids) => ({
      inventory: `update reservations set status = 'held' where order_id = ${q(ids.cancelled)};
        update stock set reserved = reserved + 4 where product_id = 'a1' and location_id = 'madrid';
        insert into movements (product_id, location_id, kind, on_hand_delta, reserved_delta, order_id) values ('a1', 'madrid', 'reserved', 0, 4, ${q(ids.cancelled)})`,
    }),
  },
  {
    what: 'the stock of a confirmed order was released',
    breaks: ['I11'],
    sql: (ids) => ({
      inventory: `update reservations set status = 'released' where order_id = ${q(ids.cash)};
        update stock set reserved = reserved - 1 where product_id = 'a1' and location_id = 'madrid';
        insert into movements (product_id, location_id, kind, on_hand_delta, reserved_delta, order_id) values ('a1', 'madrid', 'released', 0, -1, ${q(ids.cash)})`,
    }),
  },
  {
    what: 'one unit too many is reserved for a confirmed order',
    breaks: ['I11', 'I43'],
    sql: (ids) => ({
      inventory: `update reservations set items = jsonb_set(jsonb_set(items, '{0,quantity}', '2'), '{0,allocations,0,quantity}', '2') where order_id = ${q(ids.cash)};
        update stock set reserved = reserved + 1 where product_id = 'a1' and location_id = 'madrid';
        insert into movements (product_id, location_id, kind, on_hand_delta, reserved_delta, order_id) values ('a1', 'madrid', 'reserved', 0, 1, ${q(ids.cash)})`,
    }),
  },
  {
    what: 'stock left though nothing was dispatched',
    breaks: ['I31'],
    sql: (ids) => ({
      inventory: `update reservations set status = 'committed', committed_locations = array['madrid'] where order_id = ${q(ids.cash)};
        update stock set on_hand = on_hand - 1, reserved = reserved - 1 where product_id = 'a1' and location_id = 'madrid';
        insert into movements (product_id, location_id, kind, on_hand_delta, reserved_delta, order_id) values ('a1', 'madrid', 'committed', -1, -1, ${q(ids.cash)})`,
    }),
  },
  {
    what: 'an order was priced otherwise than reserved',
    breaks: ['I32'],
    sql: (ids) => ({
      inventory: `update reservations set items = jsonb_set(items, '{0,unit_price_minor}', '334') where order_id = ${q(ids.cash)}`,
    }),
  },
]
