create table orders (
  id uuid primary key,
  user_id text not null,
  status text not null check (status in ('pending', 'confirmed', 'dispatched', 'delivered', 'rejected', 'cancelled', 'returned')),
  -- [{ product_id, quantity, discount_basis_points, unit_price_minor, amount_minor }]; the last two once priced
  items jsonb not null,
  currency text not null default '',
  freight_minor bigint not null default 0 check (freight_minor >= 0),
  total_minor bigint not null default 0 check (total_minor >= 0),
  expected_total_minor bigint,
  payment_method text not null,
  payment_token text not null default '',
  shipping_method text not null,
  address jsonb,
  metadata jsonb not null default '{}',
  request_id text not null default '',
  idempotency_key text unique,
  fingerprint text not null default '',

  payment jsonb,                          -- { status, amount_minor }: what orders knows of it
  shipments jsonb not null default '[]',  -- [{ id, status, location_id, carrier, tracking_number, items, stock_committed }]
  rejected_by text,                       -- the step that refused; the steps before it are undone
  rejection_code text,
  rejection_message text,

  -- What is still to be done, and when a process may (again) take it up: the lease of the one that works on it, or the next
  -- try of a parked order. Nothing to do: both null.
  work text check (work in ('place', 'cancel', 'undo', 'settle')),
  due_at timestamptz,
  epoch int not null default 1,
  attempts int not null default 0,
  waiting_service text,
  waiting_reason text,
  waiting_since timestamptz,

  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check ((work is null) = (due_at is null)),
  check (status <> 'pending' or work is not null)
) with (fillfactor = 60);

create index orders_due on orders (due_at) where work is not null;
create index orders_by_user on orders (user_id, id);

create table order_events (
  id bigint generated always as identity primary key,
  order_id uuid not null,
  type text not null,
  data jsonb not null default '{}',
  at timestamptz not null default now()
);

create index order_events_by_order on order_events (order_id, id);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name;
end $$;

create trigger order_events_append_only before update or delete on order_events
  for each statement execute function refuse_change();
