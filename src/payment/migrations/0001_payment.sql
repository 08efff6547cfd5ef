-- One payment per order: the row is the intent, written before the provider is asked, and then its decision.
create table payments (
  order_id uuid primary key,
  status text not null check (status in ('intent', 'unknown', 'authorised', 'declined', 'capturing', 'captured', 'voiding', 'voided', 'refunded')),
  method text not null, -- empty: a tombstone, voided before it was ever authorised
  token text, -- kept only while the provider may have to be asked again
  amount_minor bigint not null check (amount_minor >= 0),
  currency text not null check (currency ~ '^([A-Z]{3})?$'),
  captured_minor bigint not null default 0,
  refunded_minor bigint not null default 0,
  provider_ref text, -- null: no charge at the provider, as far as we know
  decline_code text,
  decline_message text,
  void_requested boolean not null default false,
  asked_at timestamptz not null default now(), -- when the provider was last asked to authorise
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint never_more_out_than_in check (0 <= refunded_minor and refunded_minor <= captured_minor and captured_minor <= amount_minor)
) with (fillfactor = 70);

-- What is under way: tiny, because almost every payment leaves it within milliseconds.
create index payments_open on payments (updated_at) where status in ('intent', 'unknown', 'capturing', 'voiding');

create table refunds (
  order_id uuid not null references payments (order_id),
  refund_id text not null,
  amount_minor bigint not null,
  status text not null check (status in ('pending', 'done', 'refused')),
  refusal_code text,
  refusal_message text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (order_id, refund_id),
  check (status = 'refused' or amount_minor > 0)
);

-- Append-only. The primary key is the fact itself, so that none is written twice; key is the refund's id, else empty.
create table money_movements (
  id bigint generated always as identity,
  order_id uuid not null,
  kind text not null check (kind in ('authorised', 'captured', 'voided', 'refunded')),
  key text not null default '',
  amount_minor bigint not null check (amount_minor >= 0),
  currency text not null,
  at timestamptz not null default now(),
  primary key (order_id, kind, key)
);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name;
end $$;

create trigger append_only before update or delete or truncate on money_movements for each statement execute function refuse_change();
