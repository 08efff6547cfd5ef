-- Messages not done with. A row lives for seconds and is written three times (in, claimed, out), so what it leaves behind must go soon: `leased_until` and
-- `claim` are in no index and pages have room, so that a claim makes no new index entry; vacuum comes after a fixed number of dead rows, and does not pause.
create table messages (
  queue text not null,
  -- The sender's own. A repeat while the message is still here changes nothing.
  id text not null,
  body json not null,
  -- Deliveries so far.
  attempt int not null default 0,
  published_at timestamptz not null default now(),
  -- Not delivered before.
  due_at timestamptz not null,
  -- While in a consumer's hands: until when, and by which claim.
  leased_until timestamptz,
  claim uuid,
  -- Published again while in a consumer's hands: delivered once more whatever the verdict.
  again boolean not null default false,
  -- Why the last attempt failed.
  error text,
  primary key (queue, id)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0,
        autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 100000, autovacuum_analyze_scale_factor = 0);

create index messages_due on messages (queue, due_at, id);

create table dead_letters (
  queue text not null,
  id text not null,
  body json not null,
  error text not null,
  attempts int not null,
  published_at timestamptz not null,
  died_at timestamptz not null default now(),
  primary key (queue, id)
);
