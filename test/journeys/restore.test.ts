import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts'
import { layOutsideBook, type OutsideBook, readOutsideBook } from '../support/outside-book.ts'
import { type System, startSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { comanda, shop } from './shop.ts'

/** The drill: a backup under load, more orders, everything killed, the data gone, the backup back, and at the end every customer is charged once. */

let system: System
let client: ReturnType<typeof shop>
beforeAll(async () => {
  system = await startSystem({ LEASE_MS: '2000' })
  client = shop(system)
}, 300_000)
afterAll(() => system?.stop(), 60_000)

const dataDir = () => system.env.DATA_DIR ?? ''
const backup = () => join(dirname(dataDir()), 'backup')

/** Customer n orders once, however often he sends it: under one key. */
const send = (n: number) => client.place({ lamp: 1 }, { user_id: `customer-${n}` }, { 'idempotency-key': `key-${n}` })
const numbers = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i)
/** @returns the ids of the orders, which all must be confirmed, or sent already. */
async function sendAll(customers: readonly number[]): Promise<string[]> {
  const surely = (n: number) =>
    until(`an answer to customer ${n}`, async () => {
      const reply = await send(n)
      return reply.status < 500 && reply
    })
  const replies = await Promise.all(customers.map(surely))
  const ends = await Promise.all(replies.map(({ body }) => client.final(body.id, 120)))
  for (const { id, status } of ends) expect(['confirmed', 'dispatched'], id).toContain(status)
  return ends.map(({ id }) => id)
}

async function dispatch(id: string): Promise<void> {
  await until('it to be dispatched', async () => (await client.call('POST', `/shipments/${id}-1/dispatch`)).status === 200)
  await until('the money to be taken', async () => (await client.call('GET', `/payments/${id}`)).body.status === 'captured', 120)
  await client.final(id, 120)
}

/** The embedded server alone, for as long as `work` takes. */
async function onServer<T>(work: (paymentUrl: string) => Promise<T>): Promise<T> {
  const port = Number(system.env.POSTGRES_PORT)
  const server = await startEmbeddedPostgres({ dataDir: dataDir(), port, databases: ['payment'] })
  try {
    return await work(server.urls.payment ?? '')
  } finally {
    await server.stop()
  }
}

/** What the provider holds of each customer's money, by order. */
function heldBy(book: OutsideBook): Map<string, { status: string; amount_minor: number }> {
  const charges = book['simulated_provider.charges'] as {
    order_ref: string
    status: string
    amount_minor: number
    refunded_minor: number
  }[]
  const live = charges.filter(
    ({ status, amount_minor, refunded_minor }) => status === 'authorised' || (status === 'captured' && refunded_minor < amount_minor),
  )
  expect(new Set(live.map(({ order_ref }) => order_ref)).size).toBe(live.length)
  return new Map(live.map((charge) => [charge.order_ref, charge]))
}

it('nobody is charged twice, and all that was answered before the backup is there', async () => {
  await client.product('lamp', { madrid: 500 })
  const before = await sendAll(numbers(0, 20))

  const during = numbers(20, 20)
  const taking = sendAll(during)
  const made = await comanda(system, 'backup', backup())
  expect(made.code, made.out).toBe(0)
  await taking
  const after = await sendAll(numbers(40, 20))
  // Goods that leave after the backup: of one that it has, and of one that it has not.
  const [kept = '', gone = ''] = [before[0], after[0]]
  for (const id of [kept, gone]) await dispatch(id)

  await system.killEverything()
  const book = await onServer(readOutsideBook)
  rmSync(dataDir(), { recursive: true, force: true })
  const restored = await comanda(system, 'restore', backup())
  expect(restored.code, restored.out).toBe(0)
  await onServer((url) => layOutsideBook(url, book))

  await system.startAgain()
  expect(await send(40)).toMatchObject({ status: 503, body: { code: 'not_taking_orders' } })
  for (const id of before) expect((await client.call('GET', `/orders/${id}`)).body.status).toBe('confirmed')
  expect((await client.call('GET', `/orders/${gone}`)).status).toBe(404)

  const pending = async () => (await client.call('GET', '/orders?status=pending')).body.orders as unknown[]
  await until('what was under way to end', async () => (await pending()).length === 0, 120)
  // What has left the house is dispatched here too: its money is taken already, and stays taken once.
  await dispatch(kept)
  const found = await comanda(system, 'reconcile', '--all')
  expect(found, found.out).toMatchObject({ code: 1, out: expect.stringContaining('missing_here') })
  const looked = await comanda(system, 'reconcile', 'release', '--dry-run')
  expect(looked.out).toMatch(/charges would be let go[\s\S]*1 left/)
  const released = await comanda(system, 'reconcile', 'release', '--reason', 'restored', '--refund-captured')
  expect(released, released.out).toMatchObject({ code: 0, out: expect.stringContaining('nothing is left') })
  const agreed = await comanda(system, 'reconcile', '--all')
  expect(agreed, agreed.out).toMatchObject({ code: 0 })

  expect(await comanda(system, 'restore', '--finish')).toMatchObject({ code: 0 })
  await system.killEverything()
  await system.startAgain()
  const all = await sendAll(numbers(0, 60))
  expect(all.slice(0, 20)).toEqual(before)
  const audit = await comanda(system, 'audit')
  expect(audit.code, audit.out).toBe(0)

  await system.killEverything()
  const held = heldBy(await onServer(readOutsideBook))
  expect(new Set(all).size).toBe(60)
  expect(new Set(held.keys())).toEqual(new Set(all))
  expect([...held.values()].every(({ amount_minor }) => amount_minor === 1_000)).toBe(true)
  await system.startAgain()
}, 900_000)
