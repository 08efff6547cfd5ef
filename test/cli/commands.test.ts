import { afterEach, describe, expect, it, vi } from 'vitest'
import { comanda, type FakeGateway, fakeGateway, orderJson, problem, type Reply, type Seen } from './fake-gateway.ts'

let gateway: FakeGateway
afterEach(() => gateway.close())

const body = { user_id: 'u123', items: [{ product_id: 'a1', quantity: 2 }] }

async function against(answer: (seen: Seen, count: number) => Reply, ...args: string[]) {
  gateway = await fakeGateway(answer)
  return comanda(...args, '--url', gateway.url)
}

describe('comanda order', () => {
  it('places an order and shows it', async () => {
    const { code, out } = await against(
      (seen) => ({ status: 201, body: orderJson(seen.body) }),
      'order',
      'place',
      'a1=2',
      'b2',
      '--user',
      'u123',
      '--wait',
      '0',
    )
    expect(code).toBe(0)
    expect(out).toContain('confirmed')
    expect(out).toContain('12.34 EUR')
    expect(gateway.orders()[0]).toMatchObject({
      prefer: 'respond-async',
      key: expect.any(String),
      body: {
        user_id: 'u123',
        payment_method: 'credit_card',
        items: [
          { product_id: 'a1', quantity: 2 },
          { product_id: 'b2', quantity: 1 },
        ],
      },
    })
  })

  it('says why an order was rejected, and fails', async () => {
    const { code, err } = await against(
      () => problem(409, 'out_of_stock', { order_id: 'o1' }),
      'order',
      'place',
      'a1=2',
      '--user',
      'u',
      '--key',
      'k1',
    )
    expect(code).toBe(1)
    expect(err).toBe('rejected: out_of_stock: it is out_of_stock (order o1)\n')
    expect(gateway.orders()[0]?.key).toBe('k1')
  })

  it('refuses items that are none before anything is sent', async () => {
    for (const item of ['a1=0', 'a1=-1', 'a1=1.5', 'a1=', '=2']) {
      const { code, err } = await against(() => ({ status: 500 }), 'order', 'place', item, '--user', 'u')
      expect([item, code, gateway.seen.length]).toEqual([item, 2, 0])
      expect(err).toContain('is not product=quantity')
      await gateway.close()
    }
  })

  it('prints JSON for machines', async () => {
    const { out } = await against(() => ({ status: 200, body: orderJson(body) }), 'order', 'get', 'x/y', '--json')
    expect(JSON.parse(out)).toMatchObject({ user_id: 'u123' })
    expect(gateway.seen[0]?.path).toBe('/orders/x%2Fy')
  })

  it('watches until the order is decided and shows each event once', async () => {
    const event = (id: string, type: string) => ({ id, type, at: '2026-01-01T00:00:00.000Z', data: { reason: 'x' } })
    const events = [event('1', 'order.accepted'), event('2', 'order.parked'), event('3', 'order.confirmed')]
    const waiting = { work: 'place', service: 'payment', reason: 'no answer', since: null, next_try_at: null, attempts: 2 }
    const { code, out, err } = await against(
      (seen, count) => {
        if (seen.path.endsWith('/events')) return { status: 200, body: { events: events.slice(0, count + 1) } }
        return { status: 200, body: orderJson(body, count < 2 ? { status: 'pending', waiting } : {}) }
      },
      'order',
      'watch',
      'o1',
    )
    expect(code).toBe(0)
    expect(out.match(/order\.\w+/g)).toEqual(['order.accepted', 'order.parked', 'order.confirmed'])
    expect(err).toBe('waits for payment to place (no answer)\n')
  })

  it('says that a cancel came too late', async () => {
    const { code, err } = await against(() => problem(409, 'already_dispatched'), 'order', 'cancel', 'o1', '--reason', 'no')
    expect([code, err]).toEqual([1, 'comanda: already_dispatched: it is already_dispatched\n'])
    expect(gateway.seen[0]).toMatchObject({ method: 'POST', path: '/orders/o1/cancel', body: { reason: 'no' } })
  })

  it('lists orders with its filters', async () => {
    const { out } = await against(
      () => ({ status: 200, body: { orders: [orderJson(body)], next: null } }),
      'order',
      'list',
      '--user',
      'u 1',
      '--status',
      'confirmed',
      '--limit',
      '5',
    )
    expect(gateway.seen[0]?.path).toBe('/orders?user_id=u+1&status=confirmed&limit=5')
    expect(out).toContain('u123')
  })
})

const product = (id: string) => ({
  id,
  name: 'Crème',
  unit_price_minor: 5,
  currency: 'JPY',
  status: 'active',
  available: 3,
  stock: [{ location_id: 'main', on_hand: 5, reserved: 2, available: 3 }],
})

describe('comanda products and stock', () => {
  it('lists what is low, page by page', async () => {
    const { out } = await against(
      (seen) => ({
        status: 200,
        body: seen.path.includes('after') ? { products: [product('b')], next: null } : { products: [product('a')], next: 'a' },
      }),
      'products',
      '--low',
      '3',
    )
    expect(gateway.seen.map((seen) => seen.path)).toEqual([
      '/products?available_at_most=3&limit=200',
      '/products?available_at_most=3&limit=200&after=a',
    ])
    expect(out).toContain('Crème')
    expect(out).toContain('5 JPY')
  })

  it('adjusts against what is on hand now', async () => {
    const { code } = await against(
      () => ({ status: 200, body: product('a') }),
      'stock',
      'adjust',
      'a',
      '--location',
      'main',
      '--on-hand',
      '4',
      '--reason',
      'counted',
    )
    expect(code).toBe(0)
    expect(gateway.seen[1]).toMatchObject({
      path: '/products/a/adjust',
      body: { location_id: 'main', on_hand: 4, expected_on_hand: 5, reason: 'counted' },
    })
  })

  it('receives goods with a receipt', async () => {
    await against(() => ({ status: 200, body: product('a') }), 'stock', 'receive', 'a', '--location', 'main', '--quantity', '7')
    expect(gateway.seen[0]).toMatchObject({
      path: '/products/a/receive',
      body: { location_id: 'main', quantity: 7, receipt_id: expect.any(String) },
    })
  })
})

describe('comanda doctor', () => {
  it('says which service is not ready, and fails', async () => {
    const { code, out } = await against(
      () => ({ status: 503, body: { services: { orders: 'ready', payment: "can't be reached" } } }),
      'doctor',
      '--json',
    )
    expect(code).toBe(1)
    const levels = Object.fromEntries(JSON.parse(out).map((finding: { name: string; level: string }) => [finding.name, finding.level]))
    expect(levels).toMatchObject({ node: 'ok', settings: 'ok', gateway: 'ok', orders: 'ok', payment: 'fail' })
  })
})

describe('comanda doctor on the broker', () => {
  it('names one that does not let us in, by its address and without its password', async () => {
    vi.stubEnv('BROKER_URL', 'amqp://comanda:open-sesame@127.0.0.1:1')
    const { out } = await against(() => ({ status: 200, body: { services: {} } }), 'doctor', '--json')
    vi.unstubAllEnvs()
    const broker = JSON.parse(out).find((finding: { name: string }) => finding.name === 'broker')
    expect(broker).toMatchObject({ level: 'fail', says: expect.stringContaining('127.0.0.1:1') })
    expect(out).not.toContain('open-sesame')
  })
})

it('help shows every command with an example', async () => {
  gateway = await fakeGateway(() => ({ status: 500 }))
  for (const name of ['serve', 'order', 'products', 'stock', 'batch', 'import', 'doctor'])
    expect((await comanda('--help')).out).toContain(name)
  expect((await comanda('batch', '--help')).out).toContain('comanda batch orders.csv --dry-run')
})
