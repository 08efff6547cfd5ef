import { type Database, sql } from '../platform/postgres.ts'

/** What may go of what grows with every order, and how (decision 0024). Each goes in pages, by a function in the database that its tables' owner may call. */

/** `next`: from where to go on; null: all that is old enough was looked at. `gone`: rows that went; null: another process is at it, so nothing was done. */
export type Page = { next: number | null; gone: number | null }
export type Size = { rows: number; old: number }

export type Trim = {
  on: 'inventory'
  table: string
  /** Which setting says after how many days; unset: kept for ever. */
  setting: 'FOLD_AFTER_DAYS'
  /** What becomes of it, in a few words. */
  becomes: string
  /** Lets go of what is old enough among the `limit` rows after `after`: one statement, one commit. */
  page(db: Database, wish: { days: number; after: number; limit: number }): Promise<Page>
  /** How many rows there are, and how many would go. Looks through all of the table. */
  count(db: Database, days: number): Promise<Size>
}

export const movements: Trim = {
  on: 'inventory',
  table: 'movements',
  setting: 'FOLD_AFTER_DAYS',
  becomes: 'folded into opening balances',
  async page(db, { days, after, limit }) {
    const [page] = await db.query<Page>(sql`
      select next, folded as gone from fold_movements(${days}::int * interval '1 day', ${after}::bigint, ${limit}::int)`)
    return page ?? { next: null, gone: null }
  },
  async count(db, days) {
    const [size] = await db.query<Size>(sql`
      select count(*) as rows, count(*) filter (where r.status in ('committed', 'released') and r.updated_at < now() - ${days}::int * interval '1 day') as old
      from movements m left join reservations r on r.order_id = m.order_id`)
    return size ?? { rows: 0, old: 0 }
  },
}

export const trims: readonly Trim[] = [movements]
