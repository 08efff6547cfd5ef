-- The simulated provider's own book. It stands for another company's database: only providers/simulated.ts and the audit read it.
create schema simulated_provider;

create table simulated_provider.charges (
  key text primary key,
  ref text not null unique,
  order_ref text not null,
  status text not null check (status in ('authorised', 'captured', 'voided', 'declined')),
  asked_minor bigint not null,
  amount_minor bigint not null check (amount_minor >= 0), -- differs from asked_minor only where it misbehaves on purpose
  refunded_minor bigint not null default 0,
  currency text not null,
  decline_code text,
  decline_message text,
  visible_at timestamptz not null default now(), -- until then the charge exists and can't be found
  created_at timestamptz not null default now(),
  check (0 <= refunded_minor and refunded_minor <= amount_minor)
) with (fillfactor = 80);

-- Captures, voids and refunds, by key, with their answers.
create table simulated_provider.operations (
  key text primary key,
  kind text not null check (kind in ('capture', 'void', 'refund')),
  ref text not null,
  amount_minor bigint, -- null: the whole charge
  currency text,
  decline_code text, -- null: approved
  decline_message text,
  created_at timestamptz not null default now()
);

create view simulated_provider.refunds as
  select key, ref, amount_minor, currency, created_at from simulated_provider.operations where kind = 'refund' and decline_code is null;
