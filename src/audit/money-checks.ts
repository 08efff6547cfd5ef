import type { Check } from './check.ts'

/** Invariants of payments, and of the provider's own book. */

export const moneyChecks: readonly Check[] = [
  {
    id: 'I12',
    promise: 'P3',
    kind: 'always',
    on: 'payment',
    about: 'charges',
    title: 'the provider holds at most one live charge per order',
    query: `
      select order_ref as order_id, count(*) as live_charges, sum(amount_minor) as amount_minor from simulated_provider.charges
      where status in ('authorised', 'captured') group by order_ref having count(*) > 1`,
  },
  {
    id: 'I17',
    promise: 'P3',
    kind: 'always',
    on: 'payment',
    about: 'charges',
    title: 'the provider did one thing per key, and every charge under the key of its order',
    query: `
      select key, count(*) as times, min(order_id) as order_id from (
        select key, order_ref as order_id from simulated_provider.charges
        union all
        select o.key, c.order_ref from simulated_provider.operations o left join simulated_provider.charges c on c.ref = o.ref
      ) used group by key having count(*) > 1
      union all
      select key, 1, order_ref from simulated_provider.charges where key <> 'auth:' || order_ref`,
  },
  {
    id: 'I14',
    promise: 'P3',
    kind: 'always',
    on: 'payment',
    about: 'charges',
    title: "payments and the provider's book agree row by row, both ways",
    query: `
      select coalesce(p.order_id::text, c.order_ref) as order_id, p.status, c.status as charge, p.amount_minor, c.amount_minor as charged_minor,
             p.refunded_minor, c.refunded_minor as charge_refunded_minor
      from payments p full join simulated_provider.charges c on c.ref = p.provider_ref
      where case
        when p.order_id is null then c.status <> 'declined'
          -- asked, and its answer not stored yet: a repeat looks it up
          and not exists (select 1 from payments asked where asked.order_id::text = c.order_ref and asked.provider_ref is null and asked.status in ('intent', 'unknown'))
        when p.provider_ref is null then p.status in ('capturing', 'voiding')
          or (p.status in ('authorised', 'captured', 'refunded') and p.amount_minor > 0 and p.method <> 'cash_on_delivery')
        when c.ref is null then true
        else c.order_ref <> p.order_id::text
          or case p.status
            when 'authorised' then c.status <> 'authorised' when 'captured' then c.status <> 'captured' when 'refunded' then c.status <> 'captured'
            when 'capturing' then c.status not in ('authorised', 'captured')
            when 'voiding' then c.status not in ('authorised', 'voided') else c.status <> 'voided' end
          -- a charge of a wrong amount is let go
          or (p.status not in ('voiding', 'voided') and (c.amount_minor, c.currency) <> (p.amount_minor, p.currency))
          or (c.refunded_minor <> p.refunded_minor
            and not exists (select 1 from refunds r where r.order_id = p.order_id and r.status = 'pending'))
        end`,
  },
  {
    id: 'I16',
    promise: 'P3',
    kind: 'always',
    on: 'payment',
    about: 'payments',
    title: 'payments are what their money movements come to',
    query: `
      select coalesce(p.order_id, m.order_id) as order_id, p.status, p.amount_minor, m.authorised_minor, p.captured_minor,
             m.captured_minor as moved_captured_minor, p.refunded_minor, m.refunded_minor as moved_refunded_minor, m.voided_minor
      from payments p full join (
        select order_id, sum(amount_minor) filter (where kind = 'authorised') as authorised_minor, sum(amount_minor) filter (where kind = 'captured') as captured_minor,
               sum(amount_minor) filter (where kind = 'refunded') as refunded_minor, sum(amount_minor) filter (where kind = 'voided') as voided_minor,
               min(currency) as currency, count(distinct currency) as currencies
        from money_movements group by order_id) m on m.order_id = p.order_id
      where p.order_id is null
        or p.captured_minor <> coalesce(m.captured_minor, 0) or p.refunded_minor <> coalesce(m.refunded_minor, 0)
        or (p.status in ('authorised', 'capturing', 'captured', 'refunded') and (m.authorised_minor, m.currency, m.currencies) is distinct from (p.amount_minor, p.currency, 1))
        or (p.status in ('intent', 'unknown', 'declined') and m.authorised_minor is not null)
        or (p.status = 'voiding' and m.authorised_minor is null)
        or (p.status = 'voided' and m.voided_minor is distinct from m.authorised_minor)
        or (p.status <> 'voided' and m.voided_minor is not null)`,
  },
  {
    id: 'I33',
    promise: 'P3',
    kind: 'always',
    on: 'payment',
    about: 'payments',
    title: 'refunded <= captured <= authorised, and refunded is what refunds were done',
    query: `
      select p.order_id, p.status, p.amount_minor, p.captured_minor, p.refunded_minor, r.done_minor, r.promised_minor
      from payments p left join (
        select order_id, sum(amount_minor) filter (where status = 'done') as done_minor, sum(amount_minor) filter (where status <> 'refused') as promised_minor
        from refunds group by order_id) r on r.order_id = p.order_id
      where not (0 <= p.refunded_minor and p.refunded_minor <= p.captured_minor and p.captured_minor <= p.amount_minor)
        or p.refunded_minor <> coalesce(r.done_minor, 0) or coalesce(r.promised_minor, 0) > p.captured_minor
        or p.captured_minor <> case when p.status in ('captured', 'refunded') then p.amount_minor else 0 end
        or (p.status = 'refunded' and p.refunded_minor <> p.captured_minor)`,
  },
  {
    id: 'I13',
    promise: 'P3',
    kind: 'at rest',
    on: 'copies',
    about: 'orders',
    title: 'a confirmed, dispatched or delivered order has one live charge of exactly its total (cash on delivery and free ones: none)',
    query: `
      select o.id as order_id, o.status, o.payment_method, o.total_minor, o.currency, coalesce(c.charges, 0) as charges, c.amount_minor, c.currency as charge_currency
      from o_orders o left join (
        select order_ref, count(*) as charges, sum(amount_minor) as amount_minor, min(currency) as currency
        from psp_charges where status in ('authorised', 'captured') group by order_ref) c on c.order_ref = o.id::text
      where o.at_rest and o.status in ('confirmed', 'dispatched', 'delivered')
        and case when o.payment_method = 'cash_on_delivery' or o.total_minor = 0 then c.charges is not null
          else (c.charges, c.amount_minor, c.currency) is distinct from (1, o.total_minor, o.currency) end`,
  },
  {
    id: 'I15',
    promise: 'P3',
    kind: 'at rest',
    on: 'copies',
    about: 'payments',
    title: 'no payment and no refund is left in between',
    query: `
      select p.order_id, p.status, p.refunds_pending, p.amount_minor, p.currency
      from p_payments p join o_orders o on o.id = p.order_id
      where o.at_rest and (p.status in ('intent', 'unknown', 'capturing', 'voiding') or p.refunds_pending > 0)`,
  },
  {
    id: 'I34',
    promise: 'P3',
    kind: 'at rest',
    on: 'copies',
    about: 'orders',
    title: "an order that ended without goods keeps no money, in our book or the provider's",
    query: `
      select o.id as order_id, o.status, p.status as payment, p.captured_minor - p.refunded_minor as kept_minor, c.status as charge, c.amount_minor, c.currency
      from o_orders o left join p_payments p on p.order_id = o.id
      left join psp_charges c on c.order_ref = o.id::text and (c.status = 'authorised' or (c.status = 'captured' and c.refunded_minor < c.amount_minor))
      where o.at_rest and o.status in ('rejected', 'cancelled')
        and (c.ref is not null or p.status in ('authorised', 'capturing', 'captured') or p.captured_minor > p.refunded_minor)`,
  },
  {
    id: 'I35',
    promise: 'P3',
    kind: 'at rest',
    on: 'copies',
    about: 'orders',
    title: 'the money of an order is authorised while it is here and captured once it has left (cash: delivered)',
    query: `
      select o.id as order_id, o.status, o.payment_method, o.total_minor, o.currency, p.status as payment, p.amount_minor, p.captured_minor
      from o_orders o left join p_payments p on p.order_id = o.id
      where o.at_rest and o.status in ('confirmed', 'dispatched', 'delivered')
        and (p.status is null or (p.amount_minor, p.currency, p.method) is distinct from (o.total_minor, o.currency, o.payment_method)
          or case when o.status = 'delivered' or (o.status = 'dispatched' and o.payment_method <> 'cash_on_delivery') then p.status not in ('captured', 'refunded')
             else p.status <> 'authorised' end)`,
  },
  {
    id: 'I36',
    promise: 'P3',
    kind: 'at rest',
    on: 'copies',
    about: 'orders',
    title: 'what an order shows of its payment is what payment says',
    query: `
      select o.id as order_id, o.status, o.payment_status as shown, p.status as payment, o.payment_amount_minor as shown_minor, p.amount_minor
      from o_orders o left join p_payments p on p.order_id = o.id
      where o.at_rest and not case coalesce(o.payment_status, 'none')
        when 'authorised' then p.status is not distinct from 'authorised' and o.payment_amount_minor = p.amount_minor
        when 'captured' then p.status is not null and p.status in ('captured', 'refunded') and o.payment_amount_minor = p.amount_minor
        -- a void of what was declined is done, and a charge of a wrong amount is let go and shown as declined
        when 'voided' then p.status is not null and p.status in ('voided', 'declined')
        else p.status is null or p.status in ('voided', 'declined') end`,
  },
  {
    id: 'I45',
    promise: 'P3',
    kind: 'always',
    on: 'payment',
    about: 'payments',
    title: "no difference between our book and the provider's is left open",
    query: 'select order_id, key, kind, message, first_seen from discrepancies where resolved_at is null',
  },
]
