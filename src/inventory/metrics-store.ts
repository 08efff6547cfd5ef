import type { Reading } from '../platform/metrics.ts'
import { type Database, sql } from '../platform/postgres.ts'

/** What inventory tells whoever scrapes. Each row is a reading. It looks through the whole catalogue, so not often. */
export function readInventoryMetrics(db: Database): Promise<Reading[]> {
  return db.query<Reading>(sql`
    select 'comanda_products_out_of_stock' as metric, '{}'::jsonb as labels, count(*)::float8 as value
    from products p where status = 'active' and not exists (select 1 from stock s where s.product_id = p.id and s.on_hand > s.reserved)`)
}
