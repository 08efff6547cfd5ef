-- Baseline (b): the whole order as one stored procedure, one round trip and one commit per order. The same rows as the monolith's transaction.
create function place_order(new_id uuid, buyer text, method text, wanted text[], units bigint[]) returns jsonb language plpgsql as $$
declare
  free_enough boolean;
  priced jsonb;
  total bigint;
  cur text;
  charge_ref text := 'ch_' || new_id;
begin
  perform 1 from stock where product_id = any(wanted) order by product_id for update;
  select bool_and(s.on_hand - s.reserved >= w.units) and count(*) = cardinality(wanted),
         jsonb_agg(jsonb_build_object('product_id', w.id, 'quantity', w.units, 'unit_price_minor', p.unit_price_minor)),
         sum(w.units * p.unit_price_minor), min(p.currency)
    into free_enough, priced, total, cur
    from unnest(wanted, units) as w(id, units) join stock s on s.product_id = w.id join products p on p.id = w.id;
  if not coalesce(free_enough, false) then
    return jsonb_build_object('rejected', 'out_of_stock');
  end if;
  update stock s set reserved = reserved + w.units from unnest(wanted, units) as w(id, units) where s.product_id = w.id;
  insert into orders (id, user_id, status, items, currency, total_minor, payment_method)
    values (new_id, buyer, 'confirmed', priced, cur, total, method);
  insert into order_events (order_id, type, data) values
    (new_id, 'order.accepted', jsonb_build_object('user_id', buyer)), (new_id, 'order.confirmed', jsonb_build_object('total_minor', total));
  insert into reservations (order_id, status, items) values (new_id, 'held', priced);
  insert into movements (product_id, location_id, kind, reserved_delta, order_id)
    select w.id, 'madrid', 'reserved', w.units, new_id from unnest(wanted, units) as w(id, units);
  insert into charges (key, ref, status, amount_minor, currency) values ('auth:' || new_id, charge_ref, 'authorised', total, cur);
  insert into payments (order_id, status, method, amount_minor, currency, provider_ref)
    values (new_id, 'authorised', method, total, cur, charge_ref);
  insert into money_movements (order_id, kind, amount_minor, currency) values (new_id, 'authorised', total, cur);
  insert into shipments (order_id, number, status, location_id, carrier, tracking_number, items)
    values (new_id, 1, 'created', 'madrid', 'simulated', 'SIM' || new_id, priced);
  return jsonb_build_object('id', new_id, 'user_id', buyer, 'status', 'confirmed', 'items', priced, 'currency', cur, 'total_minor', total,
    'payment_method', method);
end $$;
