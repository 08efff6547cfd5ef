import pg from 'pg'
import { embeddedUrls } from '../src/platform/embedded-postgres.ts'
import type { System } from '../test/support/system.ts'

/**
 * Many past orders, made by copying those there are, in SQL: each copy is an order of its own in all four databases, with an earlier id, and all sums
 * (stock, money) still add up, so that the audit can judge them. The services must be at rest.
 */

/** Tables with rows of an order, parents first, the column of its id, and what else in a row must differ from copy to copy. */
const TABLES = {
  orders: [
    { table: 'orders', order: 't.id::text', own: `t.shipments->0->>'tracking_number'` },
    { table: 'order_events', order: 't.order_id::text', inTurn: 't.id' },
  ],
  inventory: [
    { table: 'reservations', order: 't.order_id::text' },
    { table: 'movements', order: 't.order_id::text' },
  ],
  payment: [
    { table: 'payments', order: 't.order_id::text', own: 't.provider_ref' },
    { table: 'money_movements', order: 't.order_id::text' },
    { table: 'simulated_provider.charges', order: `split_part(t.key, ':', 2)`, own: 't.ref' },
  ],
  shipping: [
    { table: 'order_shipments', order: 't.order_id::text' },
    { table: 'shipments', order: 't.order_id::text', own: 't.tracking_number' },
  ],
} as const

type Table = { table: string; order: string; own?: string /** Rows whose numbers must come in the same order. */; inTurn?: string }

type Database = keyof typeof TABLES

/** Copies per statement: none runs for minutes. */
const AT_ONCE = 20

/** The id of copy g of an order: a version-7 id, g hours older. */
const COPY_ID = `create function bench_copy_id(id text, g int) returns text language sql immutable as $$
  select (lpad(to_hex(('x' || substr(replace(id, '-', ''), 1, 12))::bit(48)::bigint - g * 3600000::bigint), 12, '0')
    || '7' || substr(md5(id || g), 1, 3) || '8' || substr(md5(id || g), 4, 15))::uuid::text $$`

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
      await client.query('create table bench_originals (id text primary key)')
      await client.query('insert into bench_originals select unnest($1::text[])', [ids])
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
async function copying(client: pg.Client, { table, order, own, inTurn }: Table): Promise<string> {
  const { rows } = await client.query(
    `select quote_ident(attname) as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped and attidentity = ''`,
    [table],
  )
  const columns = (rows as { name: string }[]).map(({ name }) => name)
  const text = 'replace(to_jsonb(t)::text, o.id, bench_copy_id(o.id, g))'
  const changed = own ? `case when coalesce(${own}, '') = '' then ${text} else replace(${text}, ${own}, ${own} || '-' || g) end` : text
  return `insert into ${table} (${columns.join(', ')}) select ${columns.map((name) => `r.${name}`).join(', ')}
    from bench_originals o join ${table} t on ${order} = o.id cross join generate_series($1::int, $2::int) g
    cross join lateral jsonb_populate_record(null::${table}, (${changed})::jsonb) r ${inTurn ? `order by g, ${inTurn}` : ''}`
}
