import { newId } from '../../platform/ids.ts'
import { type Database, sql } from '../../platform/postgres.ts'
import type { Report } from './reconcile.ts'

/** Reconciliations asked for and scheduled. Whoever holds the lease of one runs it; one whose process died is run again from its start. */

export type Run = {
  id: string
  kind: 'asked' | 'scheduled'
  since: Date | null
  dry_run: boolean
  requested_at: Date
  /** Counts its runners, and so tells the present one from those before. */
  tries: number
  began_at: Date | null
  ended_at: Date | null
  error: string | null
  report: Report | null
}

const LEASE_S = 30
/** Longer than a transaction can last and the provider's book can lag: what came too late for one window is in the next. */
const OVERLAP_MIN = 10
const KEEP_DAYS = 30

/** Asks for runs; an id that there is already changes nothing. */
export async function askForRuns(
  db: Database,
  runs: readonly { id: string; since: Date | null; dryRun: boolean }[],
): Promise<Map<string, Run>> {
  for (const { id, since, dryRun } of runs) {
    await db.query(sql`
      insert into reconciliations (id, kind, since, dry_run) values (${id}, 'asked', ${since}, ${dryRun}) on conflict (id) do nothing`)
  }
  return readRuns(
    db,
    runs.map((run) => run.id),
  )
}

export async function readRuns(db: Database, ids: readonly string[]): Promise<Map<string, Run>> {
  const found = await db.query<Run>(sql`
    select id, kind, since, dry_run, requested_at, tries, began_at, ended_at, error, report from reconciliations where id = any(${ids}::uuid[])`)
  return new Map(found.map((run) => [run.id, run]))
}

/**
 * Schedules the next run when the last is `everyMs` ago, from where the last good one began, with an overlap (the first: a day back). However many
 * replicas try, one comes of it. Runs of last month are forgotten.
 */
export async function scheduleRun(db: Database, everyMs: number): Promise<void> {
  const made = await db.query(sql`
    insert into reconciliations (id, kind, since)
    select ${newId()}, 'scheduled', coalesce(
      (select began_at - ${OVERLAP_MIN}::int * interval '1 minute' from reconciliations
        where kind = 'scheduled' and ended_at is not null and error is null order by requested_at desc limit 1), now() - interval '1 day')
    where not exists (
      select 1 from reconciliations where kind = 'scheduled'
        and (ended_at is null or requested_at > now() - ${everyMs}::double precision * interval '1 millisecond'))
    on conflict (kind) where kind = 'scheduled' and ended_at is null do nothing returning id`)
  if (made.length > 0) {
    await db.query(sql`
      delete from reconciliations where ended_at is not null and requested_at < now() - ${KEEP_DAYS}::int * interval '1 day'`)
  }
}

/** The run that has waited longest, for this process alone while it keeps the lease. */
export async function claimRun(db: Database): Promise<Run | undefined> {
  const claimed = await db.query<Run>(sql`
    update reconciliations r set tries = tries + 1, began_at = clock_timestamp(), lease_until = clock_timestamp() + ${LEASE_S}::int * interval '1 second'
    from (select id from reconciliations where ended_at is null and lease_until <= now() order by lease_until limit 1 for update skip locked) due
    where r.id = due.id returning r.id, kind, since, dry_run, requested_at, tries, began_at, ended_at, error, report`)
  return claimed[0]
}

/** @throws when another has taken the run over. */
export async function keepRun(db: Database, { id, tries }: Run): Promise<void> {
  const kept = await db.query(sql`
    update reconciliations set lease_until = clock_timestamp() + ${LEASE_S}::int * interval '1 second'
    where id = ${id} and tries = ${tries}::int and ended_at is null returning id`)
  if (kept.length === 0) throw new Error('another process has taken this reconciliation over')
}

export async function endRun(db: Database, { id, tries }: Run, { report, error }: { report?: Report; error?: string }): Promise<void> {
  await db.query(sql`
    update reconciliations set ended_at = clock_timestamp(), error = ${error ?? null}, report = ${report ? JSON.stringify(report) : null}::jsonb
    where id = ${id} and tries = ${tries}::int and ended_at is null`)
}

/** It failed, and is tried again after `ms`. */
export async function putOffRun(db: Database, { id, tries }: Run, { error, ms }: { error: string; ms: number }): Promise<void> {
  await db.query(sql`
    update reconciliations set error = ${error}, lease_until = clock_timestamp() + ${ms}::double precision * interval '1 millisecond'
    where id = ${id} and tries = ${tries}::int and ended_at is null`)
}
