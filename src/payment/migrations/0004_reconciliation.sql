-- Whose money moved since a time: what a reconciliation of a window looks at.
create index money_movements_at on money_movements (at, id);

-- Where our book and the provider's differ and nothing safe can be done about it. Raised once, seen again by later reconciliations, resolved when gone.
create table discrepancies (
  id bigint generated always as identity primary key,
  key text not null, -- of the charge: auth:<order id>
  kind text not null,
  order_id uuid, -- null: the key is none of ours
  ref text,
  message text not null,
  first_seen timestamptz not null default now(),
  last_seen timestamptz not null default now(),
  resolved_at timestamptz
);
create unique index discrepancies_open on discrepancies (key, kind) where resolved_at is null;
create index discrepancies_key on discrepancies (key);

-- Reconciliations asked for and scheduled: whoever holds the lease runs it.
create table reconciliations (
  id uuid primary key,
  kind text not null check (kind in ('asked', 'scheduled')),
  since timestamptz, -- null: everything
  dry_run boolean not null default false,
  requested_at timestamptz not null default now(),
  lease_until timestamptz not null default now(),
  tries integer not null default 0,
  began_at timestamptz,
  ended_at timestamptz,
  error text,
  report jsonb
);
create unique index reconciliations_scheduled on reconciliations (kind) where kind = 'scheduled' and ended_at is null;
create index reconciliations_to_run on reconciliations (lease_until) where ended_at is null;
create index reconciliations_requested on reconciliations (kind, requested_at);
