import { type Plant, q, UNKNOWN, unlock } from './plant.ts'

export const orderPlants: readonly Plant[] = [
  {
    what: 'an order is never settled',
    breaks: ['I02'],
    sql: (ids) => ({ orders: `update orders set work = 'settle', due_at = now() where id = ${q(ids.dispatched)}` }),
  },
  {
    what: 'one key made two orders',
    breaks: ['I03'],
    sql: (ids) => ({
      orders: `drop index orders_idempotency_key;
        update orders set idempotency_key = 'key-confirmed' where id = ${q(ids.cash)}`,
    }),
  },
  {
    what: 'an order vanished and left its history',
    breaks: ['I20'],
    sql: () => ({ orders: `insert into order_events (order_id, type) values (${q(UNKNOWN)}, 'order.accepted')` }),
  },
  {
    what: 'the start of a history is missing',
    breaks: ['I20', 'I25'],
    sql: (ids) => ({
      orders: `${unlock('order_events')} delete from order_events where type = 'order.accepted' and order_id = ${q(ids.confirmed)}`,
    }),
  },
  {
    what: 'a cancelled order was confirmed and cancelled again',
    breaks: ['I25'],
    sql: (ids) => ({
      orders: `insert into order_events (order_id, type) values (${q(ids.cancelled)}, 'order.confirmed'), (${q(ids.cancelled)}, 'order.cancelled')`,
    }),
  },
  {
    what: 'the history knows of a delivery that the order does not',
    breaks: ['I26'],
    sql: (ids) => ({
      orders: `insert into order_events (order_id, type, data) values (${q(ids.dispatched)}, 'shipment.delivered', '{"order_status": "delivered"}')`,
    }),
  },
  {
    what: 'a total is a cent too high',
    breaks: ['I27'],
    sql: (ids) => ({ orders: `update orders set total_minor = total_minor + 1 where id = ${q(ids.declined)}` }),
  },
  {
    what: 'an amount was rounded down',
    breaks: ['I27'],
    sql: (ids) => ({
      orders: `update orders set items = jsonb_set(jsonb_set(items, '{0,amount_minor}', '582'), '{1,amount_minor}', to_jsonb((items->1->>'amount_minor')::bigint + 1))
        where id = ${q(ids.confirmed)}`,
    }),
  },
  {
    what: 'an order came to lie on the desk without a trace in its history',
    breaks: ['I44'],
    sql: (ids) => ({
      orders: `update orders set work = 'settle', due_at = 'infinity', waiting_service = 'payment', waiting_reason = 'no', waiting_since = now(), attempts = 10,
        dead_at = now(), dead_reason = 'refused' where id = ${q(ids.dispatched)}`,
    }),
  },
  {
    what: 'an order waits with nothing to do',
    breaks: ['I29'],
    sql: (ids) => ({ orders: `update orders set waiting_service = 'payment', waiting_since = now() where id = ${q(ids.confirmed)}` }),
  },
  {
    what: 'a rejected order does not say why',
    breaks: ['I30'],
    sql: (ids) => ({ orders: `update orders set rejection_code = null where id = ${q(ids.declined)}` }),
  },
  {
    what: 'someone pays for an order that does not exist',
    breaks: ['I19'],
    sql: () => ({
      payment: `insert into payments (order_id, status, method, amount_minor, currency) values (${q(UNKNOWN)}, 'declined', 'credit_card', 5, 'EUR')`,
    }),
  },
  {
    what: 'stock was reserved for an order that does not exist',
    breaks: ['I19'],
    sql: () => ({
      inventory: `insert into reservations (order_id, status, currency, items) values (${q(UNKNOWN)}, 'released', 'EUR',
        '[{"product_id": "a1", "quantity": 1, "unit_price_minor": 1, "allocations": [{"location_id": "madrid", "quantity": 1}]}]')`,
    }),
  },
  {
    what: 'something is shipped for an order that does not exist',
    breaks: ['I19'],
    sql: () => ({
      shipping: `insert into order_shipments (order_id, status) values (${q(UNKNOWN)}, 'created');
        insert into shipments (order_id, number, location_id, status, carrier, tracking_number, shipping_method, items, weight_grams)
        values (${q(UNKNOWN)}, 1, 'madrid', 'created', 'post', 'T1', 'standard', '[]', 1)`,
    }),
  },
]
