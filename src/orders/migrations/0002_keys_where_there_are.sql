-- Orders without an idempotency key need no entry: one index less to write for them.
alter table orders drop constraint orders_idempotency_key_key;
create unique index orders_idempotency_key on orders (idempotency_key) where idempotency_key is not null;
