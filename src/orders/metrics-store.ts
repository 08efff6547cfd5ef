import type { Reading } from '../platform/metrics.ts'
import { type Database, sql } from '../platform/postgres.ts'

/** What orders tells of its orders. Each row is a reading; none is told as 0, so that what is missing is not known. All but the first stand in indexes of what is still to be done. */

/** Counted exactly while the table is small, or was never analysed; then told from the planner's statistics, for counting millions would take seconds. */
const COUNTED_UP_TO = 100_000

export function readStatuses(db: Database): Promise<Reading[]> {
  return db.query<Reading>(sql`
    with large as (
      select reltuples as orders from pg_class where oid = 'orders'::regclass and reltuples > ${COUNTED_UP_TO}::float8
    ), estimated as (
      select unnest(most_common_vals::text::text[]) as status, unnest(most_common_freqs) * orders as count
      from large join pg_stats on schemaname = current_schema() and tablename = 'orders' and attname = 'status'
    ), counted as (
      select status, count(*) as count from orders where not exists (select 1 from estimated) group by 1
    )
    select 'comanda_orders' as metric, jsonb_build_object('status', status) as labels, round(count)::float8 as value
    from (select status, count from estimated union all select status, count from counted) known`)
}

export function readWork(db: Database): Promise<Reading[]> {
  return db.query<Reading>(sql`
    with parked as (
      select waiting_service as waits_for, work, count(*) as count, min(waiting_since) as since
      from orders where work is not null and waiting_service is not null and due_at < 'infinity' group by 1, 2
    )
    select 'comanda_orders_parked' as metric, jsonb_build_object('waits_for', s.service, 'work', w.work) as labels, coalesce(count, 0)::float8 as value
    from unnest(array['inventory', 'payment', 'shipping', 'orders']) as s(service)
    cross join unnest(array['place', 'cancel', 'undo', 'settle']) as w(work)
    left join parked on waits_for = s.service and parked.work = w.work
    union all
    select 'comanda_orders_parked_oldest_age_seconds', jsonb_build_object('waits_for', service),
      coalesce(extract(epoch from now() - (select min(since) from parked where waits_for = service)), 0)::float8
    from unnest(array['inventory', 'payment', 'shipping', 'orders']) as waits(service)
    union all
    select 'comanda_orders_dead', jsonb_build_object('reason', reason),
      (select count(*) from orders where dead_at is not null and dead_reason = reason)::float8
    from unnest(array['too_old', 'refused', 'unforeseen_error']) as r(reason)
    union all
    select 'comanda_orders_overdue_seconds', '{}', coalesce(greatest(extract(epoch from now() - min(due_at)), 0), 0)::float8
    from orders where work is not null and waiting_service is null`)
}
