import type { Reading } from '../platform/metrics.ts'
import { type Database, sql } from '../platform/postgres.ts'

/** What payment tells whoever scrapes. Each row is a reading; all stand in small indexes of what is not settled. */
export function readPaymentMetrics(db: Database): Promise<Reading[]> {
  return db.query<Reading>(sql`
    with open as (
      select status, updated_at from payments where status in ('intent', 'unknown', 'capturing', 'voiding')
    )
    select 'comanda_payments_in_between' as metric, jsonb_build_object('status', s.status) as labels,
      (select count(*) from open where open.status = s.status)::float8 as value
    from unnest(array['intent', 'unknown', 'capturing', 'voiding']) as s(status)
    union all
    select 'comanda_payments_in_between_oldest_age_seconds', '{}',
      coalesce(extract(epoch from now() - (select min(updated_at) from open)), 0)::float8
    union all
    select 'comanda_payment_discrepancies', jsonb_build_object('kind', kind), count(*)::float8 from discrepancies where resolved_at is null group by kind
    union all
    select 'comanda_payment_reconciled_timestamp_seconds', '{}', coalesce(extract(epoch from (
      select began_at from reconciliations where kind = 'scheduled' and ended_at is not null and error is null order by requested_at desc limit 1)), 0)::float8
    union all
    select 'comanda_outbox_messages', '{"outbox":"payments"}', count(*)::float8 from outbox
    union all
    select 'comanda_outbox_overdue_seconds', '{"outbox":"payments"}', coalesce(greatest(extract(epoch from now() - min(due_at)), 0), 0)::float8 from outbox`)
}
