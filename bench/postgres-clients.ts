/**
 * Which PostgreSQL client? The same batch of 200 rows, as one transaction of four pipelined statements, through
 * node-postgres (`pipeline: true`) and postgres.js, in turns. Usage: node bench/postgres-clients.ts postgres://…
 */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import postgres from 'postgres'

const url = process.argv[2] ?? 'postgres://comanda@127.0.0.1:54999/postgres'
const rows = 200
const batchesPerRound = 150

const pool = new pg.Pool({ connectionString: url, max: 2, pipeline: true } as pg.PoolConfig)
const sql = postgres(url, { max: 2, onnotice: () => {} })

const insert = `insert into client_bench (id, user_id, total, items)
  select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::jsonb[])`
const insertJson = `insert into client_bench (id, user_id, total, items)
  select id, user_id, total, items from jsonb_to_recordset($1::jsonb) as r(id uuid, user_id text, total bigint, items jsonb)`
const update = 'update client_bench b set total = total + 1 from unnest($1::uuid[]) as u(id) where b.id = u.id'

function batch() {
  const ids = Array.from({ length: rows }, () => randomUUID())
  const items = ids.map(() =>
    JSON.stringify([
      { product_id: 'a1', quantity: 2 },
      { product_id: 'b2', quantity: 1 },
    ]),
  )
  return { ids, users: ids.map((id) => `user-${id.slice(0, 8)}`), totals: ids.map(() => 1234), items }
}

async function withPg(json: boolean) {
  const b = batch()
  const client = await pool.connect()
  try {
    const values = json
      ? [JSON.stringify(b.ids.map((id, i) => ({ id, user_id: b.users[i], total: b.totals[i], items: JSON.parse(b.items[i] ?? '') })))]
      : [b.ids, b.users, b.totals, b.items]
    await Promise.all([
      client.query('begin'),
      client.query({ name: json ? 'ij' : 'i', text: json ? insertJson : insert, values }),
      client.query({ name: 'u', text: update, values: [b.ids] }),
      client.query('commit'),
    ])
  } finally {
    client.release()
  }
}

async function withPostgresJs() {
  const b = batch()
  await sql.begin((tx) => [
    tx.unsafe(insert, [b.ids, b.users, b.totals, b.items] as never[], { prepare: true }),
    tx.unsafe(update, [b.ids] as never[], { prepare: true }),
  ])
}

async function round(name: string, run: () => Promise<void>) {
  await pool.query('truncate client_bench')
  const cpu = process.cpuUsage()
  const start = performance.now()
  let left = batchesPerRound
  const worker = async () => {
    while (left-- > 0) await run()
  }
  await Promise.all([worker(), worker()])
  const seconds = (performance.now() - start) / 1000
  const used = process.cpuUsage(cpu)
  console.log(
    `${name.padEnd(22)} ${Math.round((rows * batchesPerRound) / seconds)} rows/s   client CPU ${((used.user + used.system) / 1000 / batchesPerRound).toFixed(2)} ms/batch`,
  )
}

await pool.query('create table if not exists client_bench (id uuid primary key, user_id text, total bigint, items jsonb)')
for (let i = 0; i < 4; i++) {
  await round('pg, arrays', () => withPg(false))
  await round('pg, one json', () => withPg(true))
  await round('postgres.js, arrays', withPostgresJs)
}
await pool.query('drop table client_bench')
await pool.end()
await sql.end()
