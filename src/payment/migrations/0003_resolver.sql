-- When the resolver is to look at a payment that is in between; null: not at all. A payment voided while the provider did not have its charge is looked
-- at for days, ever more rarely: the charge may still appear.
alter table payments add column resolve_at timestamptz;
alter table payments add column resolves integer not null default 0; -- looks of the resolver since it is in between
update payments set resolve_at = now()
  where status in ('intent', 'unknown', 'capturing', 'voiding') or (status = 'voided' and void_requested and provider_ref is null);
drop index payments_open;
-- Tiny, because almost every payment leaves it within milliseconds.
create index payments_to_resolve on payments (resolve_at) where resolve_at is not null;

alter table refunds add column resolve_at timestamptz not null default now() + interval '10 seconds';
alter table refunds add column resolves integer not null default 0;
create index refunds_to_resolve on refunds (resolve_at) where status = 'pending';

-- What orders is to be told over the broker, written with the decision itself. A row goes away when the broker has confirmed it.
create table outbox (
  order_id uuid not null,
  version integer not null, -- of the payment
  body jsonb not null,
  due_at timestamptz not null default now(),
  primary key (order_id, version)
);
create index outbox_due on outbox (due_at);
