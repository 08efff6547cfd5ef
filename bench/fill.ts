import pg from 'pg'
import { embeddedUrls } from '../src/platform/embedded-postgres.ts'
import type { System } from '../test/support/system.ts'

/**
 * Many past orders, made by copying those there are, in SQL: each copy is an order of its own in all four databases, with an earlier id, and all sums
 * (stock, money) still add up, so that the audit can judge them. The services must be at rest.
 */

/**
 * Tables with rows of an order, parents first; which rows are of order `o`; and what else in a row must differ from copy to copy: an id that has the time in it
 * (of a charge: else all of them would look as if made just now, and be reconciled), or a text of its own.
 */
const TABLES = {
  orders: [
    { table: 'orders', of: 't.id = o.id', own: `t.shipments->0->>'tracking_number'` },
    { table: 'order_events', of: 't.order_id = o.id', inTurn: 't.id' },
  ],
  inventory: [
    { table: 'reservations', of: 't.order_id = o.id' },
    { table: 'movements', of: 't.order_id = o.id' },
  ],
  payment: [
    { table: 'payments', of: 't.order_id = o.id', id: 'substr(t.provider_ref, 4)' },
    { table: 'money_movements', of: 't.order_id = o.id' },
    { table: 'simulated_provider.charges', of: `t.key = 'auth:' || o.id`, id: 'substr(t.ref, 4)' },
  ],
  shipping: [
    { table: 'order_shipments', of: 't.order_id = o.id' },
    { table: 'shipments', of: 't.order_id = o.id', own: 't.tracking_number' },
  ],
} as const

type Table = {
  table: string
  of: string
  id?: string
  own?: string
  /** Rows whose numbers must come in this order. */
  inTurn?: string
}

type Database = keyof typeof TABLES

/** Copies per statement: none runs for minutes. */
const AT_ONCE = 20

/** The id of copy g of an order: a version-7 id, g hours older; as are all its times. */
const COPY_ID = `create function bench_copy_id(id uuid, g int) returns text language sql immutable as $$
  select (lpad(to_hex(('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint - g * 3600000::bigint), 12, '0')
    || '7' || substr(md5(id::text || g), 1, 3) || '8' || substr(md5(id::text || g), 4, 15))::uuid::text $$`

/** @returns how many orders there are now. */
export async function fill(system: System, orders: number, tell: (done: number) => void): Promise<number> {
  const urls = (await embeddedUrls(String(system.env.DATA_DIR))) ?? {}
  const names = Object.keys(TABLES) as Database[]
  const clients = new Map(names.map((name) => [name, new pg.Client({ connectionString: urls[name] ?? '' })]))
  const each = (work: (client: pg.Client, name: Database) => Promise<unknown>) =>
    Promise.all([...clients].map(([name, client]) => work(client, name)))
  await each((client) => client.connect())
  try {
    const ids = ((await clients.get('orders')?.query('select id from orders'))?.rows ?? []).map((row: { id: string }) => row.id)
    const copies = Math.max(0, Math.ceil(orders / ids.length) - 1)
    await each(async (client) => {
      await client.query(COPY_ID)
      await client.query('create table bench_originals (id uuid primary key)')
      await client.query('insert into bench_originals select unnest($1::uuid[])', [ids])
      await client.query('analyze bench_originals')
    })
    for (let from = 1; from <= copies; from += AT_ONCE) {
      const to = Math.min(copies, from + AT_ONCE - 1)
      await each(async (client, name) => {
        for (const table of TABLES[name]) await client.query(await copying(client, table), [from, to])
      })
      tell(ids.length * (to + 1))
    }
    await clients.get('inventory')?.query(`update stock set reserved = reserved * ${copies + 1}`)
    await each(async (client) => {
      await client.query('drop table bench_originals')
      await client.query('drop function bench_copy_id')
      await client.query('vacuum analyze')
    })
    return ids.length * (copies + 1)
  } finally {
    await each((client) => client.end())
  }
}

/** The statement that adds copies $1 to $2 of all originals' rows. The order's id is changed wherever the row has it. */
async function copying(client: pg.Client, { table, of, id, own, inTurn }: Table): Promise<string> {
  const { rows } = await client.query(
    `select quote_ident(attname) as name, atttypid::regtype::text as type from pg_attribute
     where attrelid = $1::regclass and attnum > 0 and not attisdropped and attidentity = ''`,
    [table],
  )
  const columns = rows as { name: string; type: string }[]
  const changed = ({ name, type }: { name: string; type: string }): string => {
    if (type === 'timestamp with time zone') return `t.${name} - g * interval '1 hour'`
    if (!['text', 'uuid', 'jsonb'].includes(type)) return `t.${name}`
    const withOrder = `replace(t.${name}::text, o.id::text, copy.id)`
    // What a row has not got is left as it is.
    const differing = (what: string, made: string) =>
      `(case when coalesce(${what}, '') = '' then ${withOrder} else replace(${withOrder}, ${what}, ${made}) end)`
    if (type === 'uuid' || !(id || own)) return `${withOrder}::${type}`
    return `${id ? differing(id, `bench_copy_id((${id})::uuid, g)`) : differing(own ?? '', `${own} || '-' || g`)}::${type}`
  }
  return `insert into ${table} (${columns.map(({ name }) => name).join(', ')}) select ${columns.map(changed).join(', ')}
    from bench_originals o join ${table} t on ${of} cross join generate_series($1::int, $2::int) g
    cross join lateral (select bench_copy_id(o.id, g) as id offset 0) copy ${inTurn ? `order by g, ${inTurn}` : ''}`
}
