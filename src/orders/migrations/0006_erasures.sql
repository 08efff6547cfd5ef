-- Who was erased, when, why and on whose word (decision 0023). The user's id stands here only while something is left to erase.
create table erasures (
  id uuid primary key,
  user_id text,
  pseudonym text not null unique check (pseudonym ~ '^erased:'),
  reason text not null,
  asked_by text not null default '',
  asked_at timestamptz not null default now(),
  ended_at timestamptz,
  check ((user_id is null) = (ended_at is not null))
);

create unique index erasures_open on erasures (user_id) where ended_at is null;
create index erasures_by_time on erasures (asked_at, id);

-- History stays as it is, but for what tells who the customer is: that, and nothing else, may be replaced, by a mark and nothing else.
create function refuse_but_erasing() returns trigger language plpgsql as $$
begin
  if (new.id, new.order_id, new.type, new.at) is distinct from (old.id, old.order_id, old.type, old.at) or exists (
    select from jsonb_each_text(old.data) was full join jsonb_each_text(new.data) became using (key)
    where was.value is distinct from became.value and not coalesce(
      (key = 'user_id' and became.value ~ '^erased:' and was.value is not null)
      or (key in ('reason', 'message', 'request_id') and became.value = '[erased]' and was.value is not null), false)
  ) then
    raise exception '% is append-only', tg_table_name;
  end if;
  return new;
end $$;

drop trigger order_events_append_only on order_events;
create trigger order_events_append_only before delete on order_events for each statement execute function refuse_change();
create trigger order_events_only_erased before update on order_events for each row execute function refuse_but_erasing();
