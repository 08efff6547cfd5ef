import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type System, startSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { comanda, type Json, order, type Reply, shop } from './shop.ts'

/** Each command of the whole, done without its answer, and the process killed after it: every order ends right all the same, and the books agree. */

let system: System
let client: ReturnType<typeof shop>

beforeAll(async () => {
  system = await startSystem({ LEASE_MS: '2000', WAIT_MS: '2000' })
  client = shop(system)
}, 90_000)

afterAll(() => system.stop(), 60_000)

/** What a good client does with an answer that says nothing: the same again, under the same key. */
const surely = (what: string, send: () => Promise<Reply>) =>
  until(
    what,
    () =>
      send().then(
        (reply) => (reply.status < 500 ? reply : undefined),
        () => undefined,
      ),
    60,
  )

const read = (path: string) => surely(`an answer to GET ${path}`, () => client.call('GET', path)).then(({ body }) => body)

const place = (product: string, key: string, more: Record<string, unknown> = {}) =>
  surely(`the order ${key}`, () =>
    client.call('POST', '/orders', { body: order({ [product]: 1 }, more), headers: { 'idempotency-key': key } }),
  )

const stateOf = (id: string, wanted: (found: Json) => boolean) =>
  until(`the end of order ${id}`, async () => {
    const found = await client.order(id).catch(() => undefined)
    return found?.id === id && found.status !== 'pending' && !found.waiting && wanted(found) ? found : undefined
  })

/** Four orders, each with another end: confirmed, declined, cancelled, dispatched. All commands between the services are needed for them. */
async function fourOrders(product: string) {
  await client.product(product, { madrid: 100 })
  const confirmed = await place(product, `${product}-confirmed`)
  const declined = await place(product, `${product}-declined`, { payment_token: 'tok_declined' })
  const cancelled = await place(product, `${product}-cancelled`)
  const dispatched = await place(product, `${product}-dispatched`)
  for (const { status } of [confirmed, cancelled, dispatched]) expect([200, 201, 202]).toContain(status)

  const { shipments } = await stateOf(dispatched.body.id, ({ status }) => status === 'confirmed')
  const [shipment] = shipments as { id: string }[]
  const cancel = () => client.call('POST', `/orders/${cancelled.body.id}/cancel`, { body: {} })
  const dispatch = () => client.call('POST', `/shipments/${shipment?.id}/dispatch`)
  expect((await surely('the cancel', cancel)).status).toBeLessThan(300)
  expect((await surely('the dispatch', dispatch)).status).toBe(200)

  const isCaptured = ({ payment }: Json) => (payment as { status: string }).status === 'captured'
  await stateOf(dispatched.body.id, (found) => found.status === 'dispatched' && isCaptured(found))
  await stateOf(cancelled.body.id, ({ status }) => status === 'cancelled')
  await stateOf(confirmed.body.id, ({ status }) => status === 'confirmed')
  await stateOf(declined.body.order_id ?? declined.body.id, ({ status }) => status === 'rejected')
  // A service that has died is away for a moment yet, and the gateway's circuit to it open.
  const payments = [confirmed, cancelled, dispatched].map(({ body }) => read(`/payments/${body.id}`))
  expect((await Promise.all(payments)).map(({ status }) => status)).toEqual(['authorised', 'voided', 'captured'])
  await read(`/products/${product}`)
  expect(await client.stock(product)).toEqual({ on_hand: 99, reserved: 1 })
}

async function whileFaulty(fault: { service: string; kind: string; method: string; count?: number }) {
  const set = await client.call('POST', '/faults', { body: { ...fault, for_ms: 600_000 } })
  expect(set.status, JSON.stringify(set.body)).toBe(201)
  await fourOrders(`${fault.kind}-${fault.method}`.toLowerCase())
  // Used up, or gone with its process: it has struck.
  const isOver = async () => ((await read(`/faults?service=${fault.service}`)).faults as unknown[]).length === 0
  await until('the fault to be over', isOver)
  const audit = await comanda(system, 'audit')
  expect(audit.code, audit.out).toBe(0)
}

describe('the answer is lost, three times, of', () => {
  it.each([
    ['inventory', 'ReserveStock'],
    ['inventory', 'ReleaseStock'],
    ['inventory', 'CommitStock'],
    ['payment', 'AuthorizePayments'],
    ['payment', 'VoidPayments'],
    ['payment', 'CapturePayments'],
    ['shipping', 'CreateShipments'],
    ['shipping', 'CancelShipments'],
    ['orders', 'PlaceOrders'],
    ['orders', 'RecordShipments'],
  ])('%s %s', { timeout: 120_000 }, (service, method) => whileFaulty({ service, kind: 'lose-reply', method, count: 3 }))
})

describe('the process dies with its work done and its answer unsent, of', () => {
  it.each([
    ['inventory', 'ReserveStock'],
    ['payment', 'AuthorizePayments'],
    ['payment', 'CapturePayments'],
    ['shipping', 'CreateShipments'],
    ['orders', 'PlaceOrders'],
  ])('%s %s', { timeout: 120_000 }, (service, method) => whileFaulty({ service, kind: 'crash-after', method }))
})

describe('comanda demo outage', () => {
  it.each([
    ['payment', []],
    ['shipping', []],
    ['inventory', ['--kill']],
  ])('takes %s down %j, and all ends well', { timeout: 240_000 }, async (service, more) => {
    const { code, out } = await comanda(system, 'demo', 'outage', '--seconds', '8', '--rate', '10', '--service', service, ...more)
    expect(code, out).toBe(0)
    expect(out).toMatch(new RegExp(`✓ ${service} was down for 4\\.\\d s: all \\d+ orders were taken, [1-9]\\d* of them waited`))
    expect(out).toContain(`${service} is down`)
  })

  it('does not begin while a fault is set', { timeout: 60_000 }, async () => {
    await client.call('POST', '/faults', { body: { service: 'shipping', kind: 'error', method: 'GetShipments', for_ms: 600_000 } })
    const { code, out } = await comanda(system, 'demo', 'outage')
    expect([code, out]).toEqual([1, expect.stringContaining('faults are set already')])
    await client.call('DELETE', '/faults')
  })
})
