-- The same rows that Comanda writes per order, in one database, as one would write them by hand.
create table products (id text primary key, unit_price_minor bigint not null, currency text not null, weight_grams bigint not null);
create table stock (
  product_id text not null references products (id), location_id text not null, on_hand bigint not null, reserved bigint not null default 0,
  primary key (product_id, location_id), check (0 <= reserved and reserved <= on_hand)
) with (fillfactor = 50);
create table orders (
  id uuid primary key, user_id text not null, status text not null, items jsonb not null, currency text not null, total_minor bigint not null,
  payment_method text not null, created_at timestamptz not null default now(), updated_at timestamptz not null default now()
);
create index orders_by_user on orders (user_id, id);
create table order_events (
  id bigint generated always as identity primary key, order_id uuid not null, type text not null, data jsonb not null, at timestamptz not null default now()
);
create index order_events_by_order on order_events (order_id, id);
create table reservations (order_id uuid primary key, status text not null, items jsonb not null, created_at timestamptz not null default now());
create table movements (
  id bigint generated always as identity primary key, product_id text not null, location_id text not null, kind text not null, reserved_delta bigint not null,
  order_id uuid, at timestamptz not null default now()
);
create table payments (
  order_id uuid primary key, status text not null, method text not null, amount_minor bigint not null, currency text not null, provider_ref text,
  created_at timestamptz not null default now()
);
create table money_movements (
  order_id uuid not null, kind text not null, amount_minor bigint not null, currency text not null, at timestamptz not null default now(),
  primary key (order_id, kind)
);
create table charges (key text primary key, ref text not null unique, status text not null, amount_minor bigint not null, currency text not null);
create table shipments (
  order_id uuid not null, number int not null, status text not null, location_id text not null, carrier text not null, tracking_number text not null,
  items jsonb not null, created_at timestamptz not null default now(), primary key (order_id, number)
);
