-- Movements of orders that ended long ago may be folded (decision 0024): taken out of the ledger and their sum added here, in one statement, so that stock
-- is the sum of both, always. What else can be done to either is nothing.
create table opening_balances (
  product_id text not null,
  location_id text not null,
  on_hand bigint not null,
  reserved bigint not null, -- not 0 only while some movements of an order are folded and others not yet
  movements bigint not null check (movements > 0), -- so many are in it
  folded_until timestamptz not null, -- all of orders that ended before that
  primary key (product_id, location_id)
) with (fillfactor = 50);

create function refuse_but_folding() returns trigger language plpgsql as $$
begin
  if current_setting('comanda.folding', true) is distinct from 'on' or not pg_has_role((select relowner from pg_class where oid = tg_relid), 'usage') then
    raise exception '% is append-only', tg_table_name;
  end if;
  return null;
end $$;

drop trigger movements_append_only on movements;
create trigger movements_append_only before update or truncate on movements for each statement execute function refuse_change();
create trigger movements_only_folded before delete on movements for each statement execute function refuse_but_folding();
create trigger opening_balances_only_folded before insert or update or delete or truncate on opening_balances
  for each statement execute function refuse_but_folding();

-- Folds what can be folded of the `at_most` movements after this id. Only of orders whose stock has been committed or released, which is for ever, so none of
-- their rows is written again and none need be locked; movements of goods that came in or were counted stay, with their reasons.
-- Runs as the owner of the tables: who else may call it is the owner's choice. `next` is null when all that is old enough was looked at.
create function fold_movements(older_than interval, after bigint, at_most int, out next bigint, out folded bigint)
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off as $$
begin
  if older_than is null or older_than < interval '1 day' then
    raise exception 'movements of the last day are not folded';
  end if;
  -- Two at a time would only wait for each other: this one then tells of no row, not even of none.
  if not pg_try_advisory_xact_lock(7236403) then
    return;
  end if;
  perform set_config('comanda.folding', 'on', true);
  -- Each row is looked up by its key, whatever the planner thinks of `at_most`.
  with page as materialized (
    select id, order_id, at from movements where id > after order by id limit at_most
  ), old as materialized (
    select page.id from page cross join lateral (
      select from reservations r
      where r.order_id = page.order_id and r.status in ('committed', 'released') and r.updated_at < now() - older_than offset 0) ended
  ), gone as (
    delete from movements m where m.id = any ((select array_agg(id) from old)::bigint[])
    returning m.product_id, m.location_id, m.on_hand_delta, m.reserved_delta
  ), kept as (
    insert into opening_balances as b (product_id, location_id, on_hand, reserved, movements, folded_until)
    select product_id, location_id, sum(on_hand_delta), sum(reserved_delta), count(*), now() - older_than from gone group by 1, 2 order by 1, 2
    on conflict (product_id, location_id) do update
      set on_hand = b.on_hand + excluded.on_hand, reserved = b.reserved + excluded.reserved, movements = b.movements + excluded.movements,
          folded_until = greatest(b.folded_until, excluded.folded_until)
  )
  select case when count(*) = at_most and min(at) < now() - older_than then max(id) end, (select count(*) from gone) into next, folded from page;
  perform set_config('comanda.folding', 'off', true);
end $$;

revoke all on function fold_movements(interval, bigint, int) from public;
