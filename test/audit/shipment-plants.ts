import { type Plant, q } from './plant.ts'

export const shipmentPlants: readonly Plant[] = [
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
