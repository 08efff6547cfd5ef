import { eraseKeysOf } from '../access/store.ts'
import { type Database, rows, sql } from '../platform/postgres.ts'

/** Erasures, and what orders knows of a customer. */

export type ErasureRow = {
  id: string
  /** Null once all is erased. */
  user_id: string | null
  pseudonym: string
  reason: string
  asked_by: string
  asked_at: Date
  ended_at: Date | null
  erased: number
}
export type NewErasure = Pick<ErasureRow, 'id' | 'pseudonym' | 'reason' | 'asked_by'> & { user_id: string }

/**
 * Orders of a user that were placed before the erasure was asked for: by the millisecond, since `before` has come through a Date, and all who look must
 * mean the same. `idleMs`: see {@link listErasable}.
 */
type Whose = { userId: string; before: Date | undefined; idleMs: number }

/** In the place of what told who the customer is. */
export const ERASED = '[erased]'
const LAST = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/**
 * Opens an erasure, and ends the user's API keys; one that is open already is gone on with. Undefined: that one was ended by another process between the two
 * statements, and it is to be opened anew.
 */
export function openErasure(db: Database, erasure: NewErasure): Promise<ErasureRow | undefined> {
  return db.transaction(async (tx) => {
    tx.write(sql`
      insert into erasures (id, user_id, pseudonym, reason, asked_by)
      select id, user_id, pseudonym, reason, asked_by
      from jsonb_to_recordset(${rows([erasure])}) as r(id uuid, user_id text, pseudonym text, reason text, asked_by text)
      on conflict (user_id) where ended_at is null do nothing`)
    const [open] = await tx.query<ErasureRow>(
      sql`select *, 0 as erased from erasures where user_id = ${erasure.user_id} and ended_at is null for update`,
    )
    if (!open) return undefined
    eraseKeysOf(tx, { userId: erasure.user_id, pseudonym: open.pseudonym })
    return open
  })
}

/**
 * A page of the user's orders that can be erased: they have ended, and those with an idempotency key have been at rest for `idleMs`, since the key, which
 * would give a late repeat of the request the same order, goes too. Read as a range of the index by user, as `listOrders` does, and for its reason.
 */
export async function listErasable(
  db: Database,
  { userId, before, idleMs, after, limit }: Whose & { after: string; limit: number },
): Promise<string[]> {
  const found = await db.query<{ id: string }>(sql`
    select id from orders
    where (user_id, id) > (${userId}, ${after}::uuid) and (user_id, id) <= (${userId}, ${LAST}::uuid)
      and date_trunc('milliseconds', created_at) <= coalesce(${before ?? null}::timestamptz, now())
      and work is null and status in ('rejected', 'cancelled', 'delivered', 'returned')
      and (idempotency_key is null or updated_at < now() - ${idleMs} * interval '1 ms')
    order by user_id, id limit ${limit}::int`)
  return found.map(({ id }) => id)
}

export type Left = { erasable: number; waiting: number; waiting_ids: string[] }

/** What is left of a user's orders: those that can be erased now, and those that can't yet, with the ids of the first hundred. */
export async function countLeft(db: Database, { userId, before, idleMs }: Whose): Promise<Left> {
  const [left] = await db.query<Left>(sql`
    select count(*) filter (where is_ripe) as erasable, count(*) filter (where not is_ripe) as waiting,
           coalesce((array_agg(id order by id) filter (where not is_ripe))[:100], '{}') as waiting_ids
    from (
      select id, work is null and status in ('rejected', 'cancelled', 'delivered', 'returned')
             and (idempotency_key is null or updated_at < now() - ${idleMs} * interval '1 ms') as is_ripe
      from orders where user_id = ${userId} and date_trunc('milliseconds', created_at) <= coalesce(${before ?? null}::timestamptz, now())
    ) o`)
  return left ?? { erasable: 0, waiting: 0, waiting_ids: [] }
}

/** Puts the pseudonym and marks in the place of what tells who the customer is, in orders that have ended and in their history: one statement, one commit. */
export async function eraseOrders(db: Database, ids: readonly string[], { userId, pseudonym }: { userId: string; pseudonym: string }) {
  await db.query(sql`
    with ended as (
      select id from orders
      where id = any(${ids}::uuid[]) and user_id = ${userId} and work is null and status in ('rejected', 'cancelled', 'delivered', 'returned')
      order by id for update
    ), told as (
      update order_events e
      set data = e.data
        || case when e.data ? 'user_id' then jsonb_build_object('user_id', ${pseudonym}::text) else '{}' end
        || case when e.data ? 'reason' then jsonb_build_object('reason', ${ERASED}::text) else '{}' end
        || case when e.data ? 'message' then jsonb_build_object('message', ${ERASED}::text) else '{}' end
        || case when e.data ? 'request_id' then jsonb_build_object('request_id', ${ERASED}::text) else '{}' end
      from ended where e.order_id = ended.id
    )
    update orders o
    set user_id = ${pseudonym}, payment_token = '', metadata = '{}', request_id = '', idempotency_key = null, fingerprint = '',
        address = case when address is null then null else jsonb_build_object('name', ${ERASED}::text, 'line1', ${ERASED}::text, 'line2', '',
          'city', ${ERASED}::text, 'region', '', 'postal_code', '', 'country', address ->> 'country') end,
        cancel_reason = case when cancel_reason is null then null else ${ERASED} end,
        rejection_message = case when rejection_message is null then null else ${ERASED} end, version = o.version + 1
    from ended where o.id = ended.id`)
}

/**
 * Nothing is left: the user's id goes from the erasure too, unless an order is left after all, or may be. An order bears the time at which its transaction began
 * and is seen once that has committed, so while one that began before the erasure is open, it stays open too. That is asked first: what has committed
 * by then, the second statement sees. Other roles' transactions PostgreSQL does not tell of; orders has one role.
 */
export async function endErasure(db: Database, id: string): Promise<void> {
  const early = await db.query(sql`
    select from pg_stat_activity a, erasures e
    where e.id = ${id}::uuid and a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
      and date_trunc('milliseconds', a.xact_start) <= date_trunc('milliseconds', e.asked_at)
    limit 1`)
  if (early.length > 0) return
  await db.query(sql`
    update erasures e set user_id = null, ended_at = now()
    where id = ${id}::uuid and ended_at is null
      and not exists (
        select from orders o where o.user_id = e.user_id and date_trunc('milliseconds', o.created_at) <= date_trunc('milliseconds', e.asked_at))`)
}

/** Erasures that have not ended, the oldest first. */
export function listOpenErasures(db: Database, { after, limit }: { after: string; limit: number }): Promise<ErasureRow[]> {
  return db.query<ErasureRow>(sql`
    select *, 0 as erased from erasures where ended_at is null and id > ${after}::uuid order by id limit ${limit}::int`)
}

/** A page of all erasures, the newest first, with the number of orders that each has erased. */
export function listErasures(db: Database, { before, limit }: { before: string; limit: number }): Promise<ErasureRow[]> {
  return db.query<ErasureRow>(sql`
    select e.*, (select count(*) from orders o where o.user_id = e.pseudonym) as erased from erasures e
    where ${before} = '' or (asked_at, id) < (select asked_at, id from erasures where id = nullif(${before}, '')::uuid)
    order by asked_at desc, id desc limit ${limit}::int`)
}

export async function getErasure(db: Database, id: string): Promise<ErasureRow | undefined> {
  const [found] = await db.query<ErasureRow>(sql`
    select e.*, (select count(*) from orders o where o.user_id = e.pseudonym) as erased from erasures e where id = ${id}::uuid`)
  return found
}
