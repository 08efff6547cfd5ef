import { type Plant, q, unlock } from './plant.ts'

export const moneyPlants: readonly Plant[] = [
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
  {
    what: 'a difference that the reconciler found was never cleared up',
    breaks: ['I45'],
    sql: (ids) => ({
      payment: `insert into discrepancies (key, kind, order_id, message) values
        ('auth:' || ${q(ids.confirmed)}, 'status_differs', ${q(ids.confirmed)}, 'the payment is authorised, its charge captured')`,
    }),
  },
]
