import { type Database, rows, sql, type Transaction } from '../platform/postgres.ts'

/** API keys, in the database of orders. Each function takes many. */

export type ApiKeyRow = {
  id: string
  hash: Buffer
  name: string
  scopes: string[]
  user_id: string | null
  created_at: Date
  expires_at: Date | null
  revoked_at: Date | null
  last_used_at: Date | null
  /** By the database's clock. */
  is_expired: boolean
}

export type NewKey = Pick<ApiKeyRow, 'id' | 'hash' | 'name' | 'scopes' | 'user_id' | 'expires_at'>

/** Stores new keys; an id that is taken is left alone. */
export async function insertKeys(db: Database, keys: readonly NewKey[]): Promise<void> {
  const list = keys.map((key) => ({ ...key, hash: `\\x${key.hash.toString('hex')}` }))
  await db.query(sql`
    insert into api_keys (id, hash, name, scopes, user_id, expires_at)
    select id, hash, name, scopes, user_id, expires_at
    from jsonb_to_recordset(${rows(list)}) as r(id text, hash bytea, name text, scopes text[], user_id text, expires_at timestamptz)
    order by id
    on conflict do nothing`)
}

export async function getKeys(db: Database, ids: readonly string[]): Promise<Map<string, ApiKeyRow>> {
  const found = await db.query<ApiKeyRow>(sql`
    select *, coalesce(expires_at <= now(), false) as is_expired from api_keys where id = any(${ids}::text[])`)
  return new Map(found.map((key) => [key.id, key]))
}

export type KeyQuery = { before: string; limit: number; all: boolean }

/** A page of keys, the newest first. */
export function listKeys(db: Database, { before, limit, all }: KeyQuery): Promise<ApiKeyRow[]> {
  return db.query<ApiKeyRow>(sql`
    select *, coalesce(expires_at <= now(), false) as is_expired from api_keys
    where (${all}::boolean or (revoked_at is null and (expires_at is null or expires_at > now())))
      and (${before} = '' or (created_at, id) < (select created_at, id from api_keys where id = ${before}))
    order by created_at desc, id desc limit ${limit}::int`)
}

/** Ends keys; one that was revoked before keeps its time. */
export async function revokeKeys(db: Database, ids: readonly string[]): Promise<void> {
  await db.query(sql`
    with wanted as (select id from api_keys where id = any(${ids}::text[]) and revoked_at is null order by id for update)
    update api_keys k set revoked_at = now() from wanted where k.id = wanted.id`)
}

/** Notes that keys were used, each at most once a minute. What another process is just noting is left to it. */
export async function markUsed(db: Database, ids: readonly string[]): Promise<void> {
  await db.query(sql`
    with used as (
      select id from api_keys
      where id = any(${ids}::text[]) and (last_used_at is null or last_used_at < now() - interval '1 minute')
      order by id for update skip locked
    )
    update api_keys k set last_used_at = now() from used where k.id = used.id`)
}

/** Ends the keys bound to a user who is erased, and forgets whose they were. */
export function eraseKeysOf(tx: Transaction, { userId, pseudonym }: { userId: string; pseudonym: string }): void {
  tx.write(sql`
    with theirs as (select id from api_keys where user_id = ${userId} order by id for update)
    update api_keys k set user_id = ${pseudonym}, name = '[erased]', revoked_at = coalesce(k.revoked_at, now())
    from theirs where k.id = theirs.id`)
}
