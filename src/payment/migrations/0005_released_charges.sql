-- Charges of orders that do not exist any more, let go on a person's word (after a restore to an older moment). Append-only: who, why, what.
create table released_charges (
  order_id uuid primary key,
  ref text not null,
  status text not null check (status in ('authorised', 'captured')), -- as the charge stood: the first is voided, the second refunded
  amount_minor bigint not null,
  refunded_minor bigint not null, -- given back before already
  currency text not null,
  reason text not null,
  asked_by text not null default '',
  request_id text not null default '',
  at timestamptz not null default now()
);
create trigger append_only before update or delete or truncate on released_charges for each statement execute function refuse_change();
