-- The keys of the gateway (docs/SECURITY.md). Of a key only its SHA-256 is kept. Keys stay when they have ended: who had access, and when, can be told later.
create table api_keys (
  id text primary key check (id ~ '^[0-9a-f]{16}$'),
  hash bytea not null check (octet_length(hash) = 32),
  name text not null check (name <> ''),
  scopes text[] not null check (cardinality(scopes) > 0),
  user_id text,                -- sees and places only this user's orders
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,    -- to the minute
  check (user_id is null or scopes <@ array['orders:read', 'orders:write', 'stock:read'])
);

create index api_keys_by_time on api_keys (created_at, id);
