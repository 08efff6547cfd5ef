-- The dead-letter desk: work that will not end by itself lies there until somebody decides. Its due_at is 'infinity', so nobody takes it up.
alter table orders
  add column dead_at timestamptz,
  add column dead_reason text,
  add column cancel_reason text,
  add check ((dead_at is null) = (dead_reason is null)),
  add check (dead_at is null or (work is not null and due_at = 'infinity'));

-- Parked orders stand in an index of their own, by what they wait for: a long queue for a dead service is not looked through for what is due.
drop index orders_due;
create index orders_due on orders (due_at) where work is not null and waiting_service is null;
create index orders_parked on orders (waiting_service, due_at) where work is not null and waiting_service is not null;
create index orders_dead on orders (id) where dead_at is not null;
