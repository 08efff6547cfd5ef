import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { embeddedUrls } from '../../src/platform/embedded-postgres.ts'
import { type System, startSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { comanda, shop } from './shop.ts'

/** A customer who bought, called off, was refused and still waits for a parcel is erased; every database and every log is read afterwards. */

let system: System
beforeAll(async () => {
  system = await startSystem({ ERASE_AFTER_MS: '1' })
}, 300_000)
afterAll(() => system?.stop(), 60_000)

const ADDRESS = { name: 'Ana Secreta', line1: 'Calle Oculta 7', city: 'Villa Escondida', postal_code: '99887', country: 'ES' }
const SECRETS = ['customer-ana', ...Object.values(ADDRESS).slice(0, 4), 'tok_of_ana', 'ring twice', 'because of my illness', 'key-of-ana']

/** Every row of every table of every database, as text. */
async function everythingStored(): Promise<string> {
  const all: string[] = []
  for (const url of Object.values((await embeddedUrls(system.env.DATA_DIR ?? '')) ?? {})) {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const { rows: tables } = await client.query(
      `select quote_ident(schemaname) || '.' || quote_ident(tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
    )
    for (const { name } of tables)
      all.push(...(await client.query({ text: `select t::text from ${name} t`, rowMode: 'array' })).rows.flat())
    await client.end()
  }
  return all.join('\n')
}

it('nothing of who they were is left, the ledgers are whole, and what was under way goes on and is erased at its end', async () => {
  const { product, place, final, call } = shop(system)
  await product('ink', { north: 50 })
  const hers = { user_id: 'customer-ana', address: ADDRESS, payment_token: 'tok_of_ana', metadata: { note: 'ring twice' } }
  const sent = (await place({ ink: 1 }, hers, { 'idempotency-key': 'key-of-ana' })).body.id
  const off = (await place({ ink: 1 }, hers)).body.id
  const declined = await place({ ink: 1 }, { ...hers, payment_token: 'tok_declined' })
  expect(declined.status).toBe(402)
  const open = (await place({ ink: 2 }, hers)).body.id
  await place({ ink: 1 }, { user_id: 'somebody-else' })
  await call('POST', `/orders/${off}/cancel`, { body: { reason: 'because of my illness' } })
  const arrives = async (id: string) => {
    for (const step of ['dispatch', 'deliver']) expect((await call('POST', `/shipments/${id}-1/${step}`)).status).toBe(200)
    await until('it to be delivered and paid for', async () => {
      const { body } = await call('GET', `/orders/${id}`)
      return body.status === 'delivered' && !body.waiting && (body.payment as { status: string }).status === 'captured'
    })
  }
  await arrives(sent)
  for (const id of [off, open]) await final(id)
  const before = await everythingStored()
  for (const secret of SECRETS) expect(before, secret).toContain(secret)

  const looked = await comanda(system, 'customers', 'erase', 'customer-ana', '--dry-run')
  expect(looked).toMatchObject({ code: 0, out: expect.stringMatching(/orders would be erased now.*\n1 order is erased later.*\n.*-/) })
  expect(looked.out).toContain(open)
  expect(await comanda(system, 'customers', 'erase', 'customer-ana')).toMatchObject({ code: 2, out: expect.stringContaining('--reason') })
  const erased = await comanda(system, 'customers', 'erase', 'customer-ana', '--reason', 'ticket 4711')
  expect(erased, erased.out).toMatchObject({ code: 0, out: expect.stringMatching(/erased, now of erased:[0-9a-f-]{36}/) })
  expect((await call('GET', `/orders/${open}`)).body).toMatchObject({ user_id: 'customer-ana', address: { line1: 'Calle Oculta 7' } })
  expect((await call('GET', `/orders/${sent}`)).body).toMatchObject({
    status: 'delivered',
    address: { name: '[erased]', country: 'ES' },
    total_minor: 1_000,
  })

  await arrives(open)
  // While a transaction is open that began before it was asked for, an erasure does not end: an order may still come of it.
  await until('the erasure to end', async () => {
    expect(await comanda(system, 'customers', 'erase', 'customer-ana', '--reason', 'ticket 4711')).toMatchObject({ code: 0 })
    const [open] = JSON.parse((await comanda(system, 'customers', 'erasures', '--json')).out) as { ended_at: string | null }[]
    return open?.ended_at
  })
  const after = await everythingStored()
  for (const secret of SECRETS) expect(after.includes(secret), secret).toBe(false)
  expect(after).toContain('somebody-else')
  expect(after).toContain('ticket 4711')
  for (const name of readdirSync(system.env.LOG_DIR ?? '')) {
    const text = readFileSync(join(system.env.LOG_DIR ?? '', name), 'utf8')
    for (const secret of SECRETS) expect(text.includes(secret), `${secret} in ${name}`).toBe(false)
  }
  const listed = await comanda(system, 'customers', 'erasures', '--json')
  const [erasure] = JSON.parse(listed.out) as { reason: string; erased: number; ended_at: string | null }[]
  expect(erasure).toMatchObject({ reason: 'ticket 4711', ended_at: expect.any(String), erased: 4 })
  const audit = await comanda(system, 'audit')
  expect(audit.code, audit.out).toBe(0)
}, 300_000)
