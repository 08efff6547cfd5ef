import type { Reading } from '../platform/metrics.ts'
import { type Database, sql } from '../platform/postgres.ts'

/** What shipping tells whoever scrapes: what others are still to be told. Each row is a reading. */
export function readShippingMetrics(db: Database): Promise<Reading[]> {
  return db.query<Reading>(sql`
    with untold as (
      select 'shipments' as outbox, count(*) as count, min(due_at) as due from facts where told_at is null
      union all
      select 'carrier_cancels', count(*), min(carrier_cancel_at) from order_shipments where carrier_cancel_at is not null
    )
    select 'comanda_outbox_messages' as metric, jsonb_build_object('outbox', outbox) as labels, count::float8 as value from untold
    union all
    select 'comanda_outbox_overdue_seconds', jsonb_build_object('outbox', outbox), coalesce(greatest(extract(epoch from now() - due), 0), 0)::float8
    from untold`)
}
