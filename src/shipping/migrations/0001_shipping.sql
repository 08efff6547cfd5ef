-- One decision per order, also a refusal or a tombstone (called off before it was ever booked). Cancel and dispatch both lock this row.
create table order_shipments (
  order_id uuid primary key,
  status text not null check (status in ('requested', 'created', 'refused', 'cancelled')),
  refusal_code text,
  refusal_message text,
  -- The carrier must still be told that these bookings are off; the relay sees to it.
  carrier_cancel_due boolean not null default false,
  created_at timestamptz not null default now()
) with (fillfactor = 80);

create index order_shipments_carrier_cancel_due on order_shipments (order_id) where carrier_cancel_due;

create table shipments (
  order_id uuid not null references order_shipments (order_id),
  number int not null check (number >= 1),
  location_id text not null,
  status text not null check (status in ('requested', 'created', 'dispatched', 'delivered', 'cancelled')),
  carrier text not null default '',
  tracking_number text not null default '',
  shipping_method text not null,
  items jsonb not null,   -- [{ product_id, quantity }]
  address jsonb,
  weight_grams bigint not null check (weight_grams >= 0),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (order_id, number)
) with (fillfactor = 70);

-- What orders must be told, written with the change that made it true, and kept.
create table facts (
  id bigint generated always as identity primary key,
  order_id uuid not null,
  number int not null,
  location_id text not null,
  status text not null check (status in ('dispatched', 'delivered')),
  at timestamptz not null default now(),
  told_at timestamptz,
  unique (order_id, number, status)
);

create index facts_untold on facts (id) where told_at is null;
