import type { Log } from '../../platform/log.ts'
import { type Database, rows, sql } from '../../platform/postgres.ts'

/** Differences that a person must look at, kept until they are gone. */

export type Raised = { key: string; kind: string; order_id: string | null; ref: string | null; message: string }
export type Discrepancy = Raised & { id: number; first_seen: Date; last_seen: Date; resolved_at: Date | null }

/**
 * Notes what was found of the keys `judged`, at `judgedAt` (the database's clock) or later: what is `raised` is open from now on, or still; what was open and is not
 * found any more is resolved. Two that judge at once can't undo each other: the later look at the books wins.
 */
export async function noteDiscrepancies(
  db: Database,
  { judged, raised, judgedAt, log }: { judged: readonly string[]; raised: readonly Raised[]; judgedAt: Date; log: Log },
): Promise<void> {
  if (judged.length === 0) return
  const { opened, resolved } = await db.transaction(async (tx) => {
    // Locked in one order, so that two never deadlock.
    await tx.query(
      sql`select 1 from discrepancies where key = any(${judged}::text[]) and resolved_at is null order by key, kind for update`,
    )
    const [opened, resolved] = await Promise.all([
      tx.query<Raised & { is_new: boolean }>(sql`
        insert into discrepancies (key, kind, order_id, ref, message)
        select key, kind, order_id, ref, message
        from jsonb_to_recordset(${rows(raised)}) as r(key text, kind text, order_id uuid, ref text, message text)
        where not exists (select 1 from discrepancies d where d.key = r.key and d.kind = r.kind and d.resolved_at > ${judgedAt}::timestamptz)
        order by key, kind
        on conflict (key, kind) where resolved_at is null do update set last_seen = clock_timestamp(), message = excluded.message, ref = excluded.ref
        returning key, kind, order_id, ref, message, (xmax = 0) as is_new`),
      tx.query<Raised>(sql`
        update discrepancies d set resolved_at = clock_timestamp()
        where key = any(${judged}::text[]) and resolved_at is null and last_seen < ${judgedAt}::timestamptz
          and not exists (select 1 from jsonb_to_recordset(${rows(raised)}) as r(key text, kind text) where r.key = d.key and r.kind = d.kind)
        returning key, kind, order_id, ref, message`),
    ])
    return { opened, resolved }
  })
  for (const { order_id, key, kind, message, is_new } of opened) {
    if (is_new) log.error({ order_id: order_id ?? key, alarm: 'discrepancy', kind }, `our book and the provider's differ: ${message}`)
  }
  for (const { order_id, key, kind } of resolved) log.info({ order_id: order_id ?? key, kind }, 'the difference is gone')
}

/** Discrepancies by id, after the one with the id `after`; open ones only, unless resolved ones are asked for too. */
export function listDiscrepancies(
  db: Database,
  { after, limit, which }: { after: number; limit: number; which: 'open' | 'all' },
): Promise<Discrepancy[]> {
  return db.query<Discrepancy>(sql`
    select id, key, kind, order_id, ref, message, first_seen, last_seen, resolved_at from discrepancies
    where id > ${after}::bigint and (resolved_at is null or ${which}::text = 'all') order by id limit ${limit}::int`)
}
