import type { OwnerName } from '../../src/platform/config.ts'
import type { Ids } from './history.ts'

/** One way to break a promise by hand, and exactly the checks that must see it. The first is the one that it was planted for. */
export type Plant = { what: string; breaks: string[]; sql(ids: Ids): Partial<Record<OwnerName, string>> }

const UNKNOWN = '00000000-0000-7000-8000-000000000001'
/** An append-only table that can be changed after all, by someone with the rights and bad intentions. */
const unlock = (table: string) => `alter table ${table} disable trigger all;`
const q = (id: string) => `'${id}'`

const stock: Plant[] = [
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

const money: Plant[] = [
  {
    what: 'the provider charged twice',
    breaks: ['I12', 'I13', 'I14', 'I17'],
    sql: (ids) => ({
      payment: `insert into simulated_provider.charges (key, ref, order_ref, status, asked_minor, amount_minor, currency)
        select 'auth:again', 'ch_again', order_ref, status, asked_minor, amount_minor, currency from simulated_provider.charges where order_ref = ${q(ids.confirmed)}`,
    }),
  },
  {
    what: 'a cash order was charged at the provider too',
    breaks: ['I13'],
    sql: (ids) => ({
      payment: `insert into simulated_provider.charges (key, ref, order_ref, status, asked_minor, amount_minor, currency)
          select 'auth:' || order_id, 'ch_cash', order_id::text, 'authorised', amount_minor, amount_minor, currency from payments where order_id = ${q(ids.cash)};
        update payments set provider_ref = 'ch_cash' where order_id = ${q(ids.cash)}`,
    }),
  },
  {
    what: 'the provider lost a charge',
    breaks: ['I13', 'I14'],
    sql: (ids) => ({ payment: `delete from simulated_provider.charges where order_ref = ${q(ids.confirmed)}` }),
  },
  {
    what: 'the provider refunded what we do not know of',
    breaks: ['I14'],
    sql: (ids) => ({ payment: `update simulated_provider.charges set refunded_minor = 1 where order_ref = ${q(ids.dispatched)}` }),
  },
  {
    what: 'the provider captured what we have only authorised',
    breaks: ['I14'],
    sql: (ids) => ({ payment: `update simulated_provider.charges set status = 'captured' where order_ref = ${q(ids.confirmed)}` }),
  },
  {
    what: 'a refund never ended',
    breaks: ['I15'],
    sql: (ids) => ({
      payment: `insert into refunds (order_id, refund_id, amount_minor, status) values (${q(ids.delivered)}, 'r2', 1, 'pending')`,
    }),
  },
  {
    what: 'a payment is still being captured',
    breaks: ['I15', 'I35', 'I36'],
    sql: (ids) => ({ payment: `update payments set status = 'capturing' where order_id = ${q(ids.confirmed)}` }),
  },
  {
    what: 'an authorisation is missing in the ledger',
    breaks: ['I16'],
    sql: (ids) => ({
      payment: `${unlock('money_movements')} delete from money_movements where kind = 'authorised' and order_id = ${q(ids.confirmed)}`,
    }),
  },
  {
    what: 'one thing was done twice under one key',
    breaks: ['I17'],
    sql: () => ({
      payment: `alter table simulated_provider.operations drop constraint operations_pkey;
        insert into simulated_provider.operations select * from simulated_provider.operations limit 1`,
    }),
  },
  {
    what: 'a refund is larger than what was given back',
    breaks: ['I33'],
    sql: (ids) => ({ payment: `update refunds set amount_minor = amount_minor + 1 where order_id = ${q(ids.delivered)}` }),
  },
  {
    what: 'a cancelled order still blocks the money',
    breaks: ['I34', 'I36'],
    sql: (ids) => ({
      payment: `${unlock('money_movements')} delete from money_movements where kind = 'voided' and order_id = ${q(ids.cancelled)};
        update payments set status = 'authorised' where order_id = ${q(ids.cancelled)};
        update simulated_provider.charges set status = 'authorised' where order_ref = ${q(ids.cancelled)}`,
    }),
  },
  {
    what: 'a dispatched order was not captured',
    breaks: ['I35'],
    sql: (ids) => ({
      payment: `${unlock('money_movements')} delete from money_movements where kind = 'captured' and order_id = ${q(ids.dispatched)};
        update payments set status = 'authorised', captured_minor = 0 where order_id = ${q(ids.dispatched)};
        update simulated_provider.charges set status = 'authorised' where order_ref = ${q(ids.dispatched)}`,
      orders: `update orders set payment = payment || '{"status": "authorised"}' where id = ${q(ids.dispatched)}`,
    }),
  },
  {
    what: 'orders shows money as captured that is not',
    breaks: ['I36'],
    sql: (ids) => ({ orders: `update orders set payment = payment || '{"status": "captured"}' where id = ${q(ids.confirmed)}` }),
  },
]

const shipments: Plant[] = [
  {
    what: 'a rejected order has a shipment',
    breaks: ['I18', 'I41'],
    sql: (ids) => ({
      shipping: `insert into order_shipments (order_id, status) values (${q(ids.out_of_stock)}, 'created');
        insert into shipments (order_id, number, location_id, status, carrier, tracking_number, shipping_method, items, weight_grams)
        values (${q(ids.out_of_stock)}, 1, 'madrid', 'created', 'post', 'T1', 'standard', '[{"product_id": "rare", "quantity": 2}]', 1)`,
    }),
  },
  {
    what: 'a parcel lacks a unit, and everyone says so',
    breaks: ['I18', 'I43'],
    sql: (ids) => ({
      shipping: `update shipments set items = jsonb_set(items, '{0,quantity}', '1') where order_id = ${q(ids.confirmed)}`,
      orders: `update orders set shipments = jsonb_set(shipments, '{0,items,0,quantity}', '1') where id = ${q(ids.confirmed)}`,
    }),
  },
  {
    what: 'two parcels have one tracking number',
    breaks: ['I37'],
    sql: (ids) => ({
      shipping: `update shipments set (carrier, tracking_number) = (select carrier, tracking_number from shipments where order_id = ${q(ids.confirmed)})
        where order_id = ${q(ids.carrier_refused)}`,
    }),
  },
  {
    what: 'shipments are called off that were decided to be asked for',
    breaks: ['I38'],
    sql: (ids) => ({
      shipping: `update order_shipments set status = 'requested', refusal_code = null where order_id = ${q(ids.carrier_refused)}`,
    }),
  },
  {
    what: 'a dispatch is not on record',
    breaks: ['I39'],
    sql: (ids) => ({ shipping: `delete from facts where order_id = ${q(ids.dispatched)}` }),
  },
  {
    what: 'orders was not told of a dispatch',
    breaks: ['I40'],
    sql: (ids) => ({ shipping: `update facts set told_at = null where order_id = ${q(ids.dispatched)}` }),
  },
  {
    what: 'orders shows another tracking number',
    breaks: ['I41'],
    sql: (ids) => ({ shipping: `update shipments set tracking_number = 'X' where order_id = ${q(ids.confirmed)}` }),
  },
  {
    what: 'an order is dispatched though all has arrived',
    breaks: ['I42'],
    sql: (ids) => ({
      shipping: `update shipments set status = 'delivered' where order_id = ${q(ids.dispatched)};
        insert into facts (order_id, number, location_id, status, told_at) values (${q(ids.dispatched)}, 1, 'madrid', 'delivered', now())`,
      orders: `update orders set shipments = jsonb_set(shipments, '{0,status}', '"delivered"') where id = ${q(ids.dispatched)}`,
    }),
  },
  {
    what: 'a parcel leaves from where no stock is reserved',
    breaks: ['I43'],
    sql: (ids) => ({
      shipping: `update shipments set location_id = 'bilbao' where order_id = ${q(ids.confirmed)}`,
      orders: `update orders set shipments = jsonb_set(shipments, '{0,location_id}', '"bilbao"') where id = ${q(ids.confirmed)}`,
    }),
  },
]

const orders: Plant[] = [
  {
    what: 'an order is never settled',
    breaks: ['I02'],
    sql: (ids) => ({ orders: `update orders set work = 'settle', due_at = now() where id = ${q(ids.dispatched)}` }),
  },
  {
    what: 'one key made two orders',
    breaks: ['I03'],
    sql: (ids) => ({
      orders: `alter table orders drop constraint orders_idempotency_key_key;
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

export const plants: readonly Plant[] = [...orders, ...stock, ...money, ...shipments]
