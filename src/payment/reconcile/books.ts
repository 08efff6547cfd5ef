import { type Database, sql } from '../../platform/postgres.ts'
import type { PaymentContext } from '../context.ts'
import type { Payment } from '../payment.ts'
import { askProvider, type ChargeAnswer, orderOfKey, providerKey } from '../provider.ts'
import type { Entry } from './compare.ts'

/** Reading both books: payments as entries, charges by key, and who is to be looked at. */

export type Entries = Map<string, Entry>

/** By the keys of their charges. */
export async function readEntries(db: Database, keys: readonly string[]): Promise<Entries> {
  const orderIds = keys.flatMap((key) => orderOfKey(key) ?? [])
  const found = await db.query<Payment & { pending_minor: number; age_ms: number }>(sql`
    select p.order_id, status, method, null as token, amount_minor, currency, captured_minor, refunded_minor, provider_ref, decline_code, decline_message,
      void_requested, resolves, version, created_at, updated_at, coalesce(r.minor, 0)::bigint as pending_minor,
      extract(epoch from clock_timestamp() - coalesce(r.since, updated_at))::float8 * 1000 as age_ms
    from payments p left join lateral (
      select sum(f.amount_minor) as minor, min(f.created_at) as since from refunds f where f.order_id = p.order_id and f.status = 'pending') r on true
    where p.order_id = any(${orderIds}::uuid[])`)
  return new Map(
    found.map(({ pending_minor, age_ms, ...payment }) => {
      return [providerKey.authorise(payment.order_id), { payment, pendingMinor: pending_minor, ageMs: age_ms }]
    }),
  )
}

/** What the provider's book has under these keys. An answer that can't be had says nothing. */
export async function readBook({ provider }: PaymentContext, keys: readonly string[]): Promise<Map<string, ChargeAnswer>> {
  const answers = await askProvider<string, ChargeAnswer>(keys, (some) => provider.readCharges(some))
  return new Map(keys.map((key, i) => [key, answers[i] as ChargeAnswer]))
}

export async function databaseTime(db: Database): Promise<Date> {
  return (await db.query<{ now: Date }>(sql`select clock_timestamp() as now`))[0]?.now as Date
}

type Page = { keys: string[]; next: string | null }

/** Keys of all payments, page by page in the order of their ids; `after`: the `next` of the page before. */
export async function allPayments(db: Database, after: string | null, limit: number): Promise<Page> {
  const found = await db.query<{ order_id: string }>(sql`
    select order_id from payments where order_id > ${after ?? '00000000-0000-0000-0000-000000000000'}::uuid order by order_id limit ${limit}::int`)
  return {
    keys: found.map((row) => providerKey.authorise(row.order_id)),
    next: found.length < limit ? null : (found.at(-1)?.order_id ?? null),
  }
}

/**
 * Keys of the payments whose money moved at `since` or later, page by page in the order of the movements. A movement whose transaction commits behind the page is
 * left out: whoever looks at windows lets them overlap by more than a transaction can last.
 */
export async function movedPayments(
  db: Database,
  { since, after, limit }: { since: Date; after: string | null; limit: number },
): Promise<Page> {
  const [at, id] = after?.split('|') ?? [since.toISOString(), '0']
  const found = await db.query<{ order_id: string; at: string; id: number }>(sql`
    select order_id, m.at::text as at, id from money_movements m where (m.at, id) > (${at}::timestamptz, ${id}::bigint) order by m.at, id limit ${limit}::int`)
  const last = found.at(-1)
  return {
    keys: [...new Set(found.map((row) => providerKey.authorise(row.order_id)))],
    next: last && found.length === limit ? `${last.at}|${last.id}` : null,
  }
}

/** Keys of the payments that are in between for longer than `ms`, oldest first. */
export async function stuckPayments(db: Database, ms: number, limit: number): Promise<string[]> {
  const found = await db.query<{ order_id: string }>(sql`
    select order_id from (
      select order_id, updated_at as since from payments where resolve_at is not null and status <> 'voided'
      union all
      select order_id, created_at from refunds where status = 'pending') stuck
    where since < now() - ${ms}::double precision * interval '1 millisecond' order by since limit ${limit}::int`)
  return found.map((row) => providerKey.authorise(row.order_id))
}
