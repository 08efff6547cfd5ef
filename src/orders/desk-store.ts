import { type Database, sql } from '../platform/postgres.ts'
import type { Order } from './order.ts'

/** What the dead-letter desk and the queue's page read. */

export type DeskFilter = { service: string; work: string; deadReason: string }

/** Orders on the desk, the oldest first. Empty filters match all. */
export function listDeadOrders(
  db: Database,
  { service, work, deadReason, after, limit }: DeskFilter & { after: string; limit: number },
): Promise<Order[]> {
  return db.query<Order>(sql`
    select * from orders
    where dead_at is not null and id > coalesce(nullif(${after}, '')::uuid, '00000000-0000-0000-0000-000000000000')
      and (${service} = '' or waiting_service = ${service}) and (${work} = '' or work = ${work}) and (${deadReason} = '' or dead_reason = ${deadReason})
    order by id limit ${limit}::int`)
}

export type ParkedRow = { service: string; work: string; count: number; oldest_since: Date; next_try_at: Date }

/** Orders that wait and are tried again by themselves, by whom they wait for. */
export function countParked(db: Database): Promise<ParkedRow[]> {
  return db.query<ParkedRow>(sql`
    select waiting_service as service, work, count(*) as count, min(waiting_since) as oldest_since, min(due_at) as next_try_at
    from orders where work is not null and waiting_service is not null and due_at < 'infinity' group by 1, 2 order by 1, 2`)
}

export async function countDead(db: Database): Promise<number> {
  const [row] = await db.query<{ count: number }>(sql`select count(*) as count from orders where dead_at is not null`)
  return row?.count ?? 0
}
