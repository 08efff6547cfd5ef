import { type Database, rows, sql } from '../platform/postgres.ts'
import { type DeadLetter, type Delivery, QUEUES, type QueueDepth, type QueueName, type Verdict } from './broker.ts'
import { type Encoded, keyOf, parseKey } from './message.ts'

/** Messages and dead letters. Each function is one statement, so one durable commit. The clock is the database's. */

/**
 * A message that is there already stays as it is. One in a consumer's hands is marked to be delivered once more: the sender may know what the
 * handler, long at it, does not. Always in order of ids, so that two batches can't deadlock.
 */
export async function publish(db: Database, queue: QueueName, messages: readonly Encoded[]): Promise<void> {
  await db.query(sql`
    insert into messages as m (queue, id, body, due_at)
    select ${queue}, id, body::json, now() + "delayMs" * interval '1 ms'
    from jsonb_to_recordset(${rows(messages)}) as r(id text, body text, "delayMs" float8)
    order by id
    on conflict (queue, id) do update set again = true, body = excluded.body, due_at = excluded.due_at where m.claim is not null`)
}

type Claim = { queue: QueueName; claim: string; limit: number; maxAttempts: number; leaseMs: number }
type Claimed = { id: string; body: unknown; attempt: number; published_at: Date; is_dead: boolean }

/**
 * Takes messages that are due and in nobody's hands, the longest due first. Those whose last delivery was never answered and was their last
 * attempt are laid with the dead on the way.
 */
export async function claim(
  db: Database,
  { queue, claim: by, limit, maxAttempts, leaseMs }: Claim,
): Promise<{ deliveries: Delivery[]; died: string[] }> {
  const found = await db.query<Claimed>(sql`
    with due as (
      select id, case when again then 0 else attempt end as attempt from messages
      where queue = ${queue} and due_at <= now() and (leased_until is null or leased_until <= now())
      order by due_at, id limit ${limit}::int for update skip locked
    ), worn as (
      delete from messages m using due where m.queue = ${queue} and m.id = due.id and due.attempt >= ${maxAttempts}::int returning m.*
    ), laid as (
      insert into dead_letters (queue, id, body, error, attempts, published_at)
      select queue, id, body, coalesce(error || '; then ', '') || 'the last delivery was never answered', attempt, published_at from worn
      on conflict (queue, id) do update
        set body = excluded.body, error = excluded.error, attempts = excluded.attempts, published_at = excluded.published_at, died_at = now()
    ), taken as (
      update messages m
      set attempt = due.attempt + 1, leased_until = now() + ${leaseMs}::int * interval '1 ms', claim = ${by}::uuid, again = false
      from due where m.queue = ${queue} and m.id = due.id and due.attempt < ${maxAttempts}::int
      returning m.*
    )
    select id, body, attempt, published_at, false as is_dead, due_at from taken
    union all select id, null, attempt, published_at, true, due_at from worn
    order by due_at, id`)
  return {
    deliveries: found
      .filter((one) => !one.is_dead)
      .map(({ id, body, attempt, published_at }) => ({ id, body, attempt, publishedAt: published_at })),
    died: found.filter((one) => one.is_dead).map(({ id }) => id),
  }
}

/** Keeps what these claims hold. */
export async function renew(db: Database, queue: QueueName, claims: { ids: string[]; claims: string[]; leaseMs: number }): Promise<void> {
  await db.query(sql`
    with mine as (
      select id from messages
      where queue = ${queue} and id = any(${claims.ids}::text[]) and claim = any(${claims.claims}::uuid[]) order by id for update
    )
    update messages m set leased_until = now() + ${claims.leaseMs}::int * interval '1 ms' from mine where m.queue = ${queue} and m.id = mine.id`)
}

/** Puts back what was claimed and never handed out: it counts as no attempt. */
export async function giveBack(db: Database, queue: QueueName, { ids, claim: by }: { ids: string[]; claim: string }): Promise<void> {
  await db.query(sql`
    update messages set attempt = attempt - 1, leased_until = null, claim = null
    where queue = ${queue} and id = any(${ids}::text[]) and claim = ${by}::uuid`)
}

/** Carries out verdicts on what this claim still holds; what another has claimed meanwhile is left alone. */
export async function settle(
  db: Database,
  queue: QueueName,
  { claim: by, verdicts }: { claim: string; verdicts: readonly (Verdict & { id: string })[] },
): Promise<void> {
  await db.query(sql`
    with mine as (
      select m.id, m.again, v.verdict, v.after_ms, v.error
      from jsonb_to_recordset(${rows(verdicts.map(({ do: verdict, ...rest }) => ({ verdict, after_ms: 'afterMs' in rest ? rest.afterMs : 0, ...rest })))})
        as v(id text, verdict text, after_ms float8, error text)
      join messages m on m.queue = ${queue} and m.id = v.id
      where m.claim = ${by}::uuid order by m.id for update of m
    ), gone as (
      delete from messages m using mine where m.queue = ${queue} and m.id = mine.id and mine.verdict <> 'retry' and not mine.again
      returning m.queue, m.id, m.body, m.attempt, m.published_at, mine.verdict, mine.error
    ), laid as (
      insert into dead_letters (queue, id, body, error, attempts, published_at)
      select queue, id, body, error, attempt, published_at from gone where verdict = 'dead'
      on conflict (queue, id) do update
        set body = excluded.body, error = excluded.error, attempts = excluded.attempts, published_at = excluded.published_at, died_at = now()
    )
    update messages m
    set leased_until = null, claim = null, again = false, error = mine.error, attempt = case when mine.again then 0 else attempt end,
        due_at = case when mine.again then due_at else now() + mine.after_ms * interval '1 ms' end
    from mine where m.queue = ${queue} and m.id = mine.id and (mine.verdict = 'retry' or mine.again)`)
}

export async function depth(db: Database): Promise<QueueDepth[]> {
  const counts = await db.query<QueueDepth>(sql`
    select queue, count(*) filter (where leased_until > now()) as "inFlight",
      count(*) filter (where due_at <= now() and coalesce(leased_until <= now(), true)) as ready,
      count(*) filter (where due_at > now() and coalesce(leased_until <= now(), true)) as delayed
    from messages group by queue`)
  const dead = await db.query<{ queue: string; dead: number }>(sql`select queue, count(*) as dead from dead_letters group by queue`)
  return QUEUES.map((queue) => ({
    ...{ queue, ready: 0, delayed: 0, inFlight: 0 },
    ...counts.find((one) => one.queue === queue),
    dead: dead.find((one) => one.queue === queue)?.dead ?? 0,
  }))
}

export async function listDead(db: Database, { after = '', limit }: { after?: string; limit: number }): Promise<DeadLetter[]> {
  const from = parseKey(after) ?? { queue: '', id: '' }
  const found = await db.query<Omit<DeadLetter, 'key' | 'diedAt'> & { died_at: Date }>(sql`
    select queue, id, body, error, attempts, died_at from dead_letters
    where (queue, id) > (${from.queue}, ${from.id}) order by queue, id limit ${limit}::int`)
  return found.map(({ died_at, ...letter }) => ({ key: keyOf(letter.queue, letter.id), ...letter, diedAt: died_at }))
}

/** @returns the queues of what was put back, one entry each. */
export async function requeueDead(db: Database, keys: readonly string[]): Promise<QueueName[]> {
  const found = await db.query<{ queue: QueueName }>(sql`
    with gone as (
      delete from dead_letters d using jsonb_to_recordset(${rows(namesOf(keys))}) as r(queue text, id text)
      where d.queue = r.queue and d.id = r.id returning d.*
    ), back as (
      insert into messages as m (queue, id, body, published_at, due_at) select queue, id, body, published_at, now() from gone order by queue, id
      on conflict (queue, id) do update set again = true, body = excluded.body, due_at = excluded.due_at where m.claim is not null
    )
    select queue from gone`)
  return found.map(({ queue }) => queue)
}

export async function discardDead(db: Database, keys: readonly string[]): Promise<number> {
  const gone = await db.query(sql`
    delete from dead_letters d using jsonb_to_recordset(${rows(namesOf(keys))}) as r(queue text, id text)
    where d.queue = r.queue and d.id = r.id returning 1`)
  return gone.length
}

const namesOf = (keys: readonly string[]) => keys.map(parseKey).filter((name) => name !== undefined)
