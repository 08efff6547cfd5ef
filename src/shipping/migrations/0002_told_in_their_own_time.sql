-- Each fact has its own time: one that orders can't take yet is told later and holds up no other.
alter table facts
  add column due_at timestamptz not null default now(),
  add column tries integer not null default 0;

drop index facts_untold;
create index facts_untold on facts (due_at) where told_at is null;

-- carrier_cancel_at: when the carrier is told (again); null: never again.
-- carrier_cancel_again_at: once more then, because a booking was on its way when the order was called off.
-- carrier_cancel_asks: grows with each wish, so that a wish that comes while the carrier is being told is not taken for told.
alter table order_shipments
  add column carrier_cancel_at timestamptz,
  add column carrier_cancel_again_at timestamptz,
  add column carrier_cancel_asks integer not null default 0;

update order_shipments set carrier_cancel_at = now() where carrier_cancel_due;

drop index order_shipments_carrier_cancel_due;
create index order_shipments_carrier_cancel_at on order_shipments (carrier_cancel_at) where carrier_cancel_at is not null;
