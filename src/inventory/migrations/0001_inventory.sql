create table products (
  id text primary key,
  name text not null,
  unit_price_minor bigint not null check (unit_price_minor >= 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  weight_grams bigint not null default 0 check (weight_grams >= 0),
  status text not null default 'active' check (status in ('active', 'discontinued')),
  created_at timestamptz not null default now()
);

-- The promise that stock is never sold twice stands here, whatever the code above does.
create table stock (
  product_id text not null references products (id),
  location_id text not null,
  on_hand bigint not null default 0 check (on_hand >= 0),
  reserved bigint not null default 0 check (reserved >= 0),
  primary key (product_id, location_id),
  constraint never_sold_twice check (reserved <= on_hand)
) with (fillfactor = 50); -- room for HOT updates: a hot product's row is rewritten by every batch

-- One decision per order, also a refusal or a tombstone (released before it was ever reserved).
create table reservations (
  order_id uuid primary key,
  status text not null check (status in ('held', 'committed', 'released', 'refused', 'tombstone')),
  currency text not null default '',
  -- [{ product_id, quantity, unit_price_minor, weight_grams, allocations: [{ location_id, quantity }] }]
  items jsonb not null default '[]',
  committed_locations text[] not null default '{}',
  refusal_code text,
  refusal_message text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
) with (fillfactor = 80);

-- Append-only: stock is the sum of its movements, which the audit checks.
create table movements (
  id bigint generated always as identity primary key,
  product_id text not null,
  location_id text not null,
  kind text not null check (kind in ('received', 'adjusted', 'reserved', 'released', 'committed')),
  on_hand_delta bigint not null,
  reserved_delta bigint not null,
  order_id uuid,
  reason text,
  at timestamptz not null default now()
);

create table receipts (
  receipt_id text primary key,
  product_id text not null,
  location_id text not null,
  quantity bigint not null check (quantity > 0),
  at timestamptz not null default now()
);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name;
end $$;

create trigger movements_append_only before update or delete on movements
  for each statement execute function refuse_change();
