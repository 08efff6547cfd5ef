import { readFile } from 'node:fs/promises'
import Fastify from 'fastify'
import pg from 'pg'
import { inOneCall } from './procedure.ts'
import { inOneTransaction } from './transaction.ts'

/**
 * What most teams would write: one process, Fastify, one database, `pg` with 20 connections. It writes the same rows as Comanda, with no services, no recovery
 * and no promises beyond the transaction. Arguments: database URL, port, products, and the way: 'transaction' (statement by statement) or 'procedure' (one
 * stored procedure per order). Sends 'ready' to its parent.
 */
const [url = '', port = '', products = '', way = 'transaction'] = process.argv.slice(2)
const pool = new pg.Pool({ connectionString: url, max: 20 })
await pool.query(await readFile(new URL('schema.sql', import.meta.url), 'utf8'))
await pool.query(await readFile(new URL('procedure.sql', import.meta.url), 'utf8'))
await pool.query(`insert into products select 'bench-' || n, 100 + n, 'EUR', 100 from generate_series(0, $1::int - 1) n`, [products])
await pool.query(`insert into stock (product_id, location_id, on_hand) select id, 'madrid', 100000000 from products`)

export type Body = { user_id: string; items: { product_id: string; quantity: number }[]; payment_method: string }

const text = { type: 'string', minLength: 1, maxLength: 64 }
const item = {
  type: 'object',
  required: ['product_id', 'quantity'],
  additionalProperties: false,
  properties: { product_id: text, quantity: { type: 'integer', minimum: 1 } },
}
const body = {
  type: 'object',
  required: ['user_id', 'items', 'payment_method'],
  additionalProperties: false,
  properties: { user_id: text, items: { type: 'array', minItems: 1, maxItems: 100, items: item }, payment_method: text },
}

const app = Fastify({ logger: false })
app.post('/orders', { schema: { body } }, async (request, reply) => {
  const order = await (way === 'procedure' ? inOneCall : inOneTransaction)(pool, request.body as Body)
  return reply.code('rejected' in order ? 409 : 201).send(order)
})
await app.listen({ port: Number(port), host: '127.0.0.1' })
process.send?.('ready')
process.on('message', () => process.exit())
