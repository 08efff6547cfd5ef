import type { Reading } from './metrics.ts'
import { type Database, sql } from './postgres.ts'

/**
 * How long the oldest transaction on the database's server has been open, whoever's it is: while it is, vacuum cleans nothing that has died since, on no
 * table of its database. Of other users' transactions PostgreSQL tells only superusers and members of pg_read_all_stats.
 */
export function readOldestTransaction(db: Database): Promise<Reading[]> {
  return db.query<Reading>(sql`
    select 'comanda_db_oldest_transaction_seconds' as metric, coalesce(max(extract(epoch from now() - since)), 0)::float8 as value
    from (
      select xact_start as since from pg_stat_activity where (backend_xmin is not null or backend_xid is not null) and pid <> pg_backend_pid()
      union all select prepared from pg_prepared_xacts
    ) open`)
}
