import { afterEach, describe, expect, it } from 'vitest'
import { waitFrom } from '../../src/gateway/wait.ts'
import { Payment } from '../../src/gen/comanda/v1/payment.ts'
import { type Answer, done, refused, toWire } from '../../src/platform/outcome.ts'
import { until } from '../support/until.ts'
import { BODY, type Fakes, gatewayOn, gatewayWith, ID, message, orderOf, product, shipment } from './fakes.ts'

/** The other routes, over gRPC to fakes. */

let gateway: Awaited<ReturnType<typeof gatewayOn>> | undefined
afterEach(async () => {
  await gateway?.close()
  gateway = undefined
})

async function send(fakes: Fakes, url: string, payload?: object) {
  gateway = await gatewayOn(fakes)
  return gateway.app.inject({ method: payload ? 'POST' : 'GET', url, ...(payload && { payload }) })
}
const wire = (answer: Answer<unknown>) => toWire(answer, (value) => value) as never

describe('an order', () => {
  it('is read as a whole; many at once travel in one call', async () => {
    const calls: number[] = []
    gateway = await gatewayOn({
      orders: {
        getOrders: async ({ orderIds }) => {
          calls.push(orderIds.length)
          return {
            orders: orderIds.map((orderId) =>
              orderOf({ orderId }, { metadata: { ñ: 'é' }, payment: { status: 'captured', amountMinor: 5 } }),
            ),
          }
        },
      },
    })
    const { app } = gateway
    const ids = Array.from({ length: 100 }, (_, i) => ID.slice(0, -3) + String(i).padStart(3, '0'))
    const replies = await Promise.all(ids.map((id) => app.inject(`/orders/${id}`)))
    expect(replies.map((reply) => reply.json().id)).toEqual(ids)
    expect(replies[0]?.json()).toMatchObject({
      metadata: { ñ: 'é' },
      payment: { id: ids[0], status: 'captured', amount_minor: 5 },
      address: null,
      shipments: [],
    })
    expect(calls.length).toBeLessThan(20)
  })

  it('that does not exist is 404', async () => {
    const reply = await send({ orders: { getOrders: async () => ({ orders: [] }) } }, `/orders/${ID}`)
    expect([reply.statusCode, reply.json().code]).toEqual([404, 'unknown_order'])
  })

  it('can not be read while orders is down: 503', async () => {
    const reply = await send({}, `/orders/${ID}`)
    expect([reply.statusCode, reply.json().code, reply.headers['retry-after']]).toEqual([503, 'unavailable', '1'])
  })

  it('is listed by user, status and time, page by page', async () => {
    const seen: unknown[] = []
    const listOrders = async ({ queries }: { queries: unknown[] }) => {
      seen.push(...queries)
      return { pages: queries.map(() => ({ orders: [orderOf({ orderId: ID })], next: ID })) }
    }
    const reply = await send(
      { orders: { listOrders } },
      `/orders?user_id=u1&status=confirmed&from=2026-01-01&to=2026-02-01T00:00:00Z&before=${ID}&limit=7`,
    )
    expect(reply.json()).toMatchObject({ orders: [{ id: ID }], next: ID })
    expect(seen).toEqual([
      { userId: 'u1', status: 'confirmed', from: new Date('2026-01-01'), to: new Date('2026-02-01'), before: ID, limit: 7 },
    ])
  })

  it('has a history', async () => {
    const at = new Date(0)
    const events = [{ id: 1, type: 'order.accepted', at, data: '{"a":[1]}' }]
    const orders = {
      getOrders: async () => ({ orders: [orderOf({ orderId: ID })] }),
      listOrderEvents: async () => ({ histories: [{ orderId: ID, events }] }),
    }
    expect((await send({ orders }, `/orders/${ID}/events`)).json()).toEqual({
      events: [{ id: 1, type: 'order.accepted', at: at.toISOString(), data: { a: [1] } }],
    })
  })

  const waiting = { work: 'undo', service: 'payment', reason: 'down', attempts: 1 }
  it.each([
    ['is undone', done(orderOf({ orderId: ID }, { status: 'cancelled' })), 200],
    ['still waits for its undoing', done(orderOf({ orderId: ID }, { status: 'cancelled', waiting })), 202],
    ['is still being stopped', done(orderOf({ orderId: ID }, { status: 'confirmed', waiting })), 202],
    ['has left', refused('already_dispatched', 'gone'), 409],
    ['was rejected', refused('order_ended', 'ended'), 409],
    ['does not exist', refused('unknown_order', 'none'), 404],
  ])('cancelled when it %s', async (_what, answer, status) => {
    const reply = await send({ orders: { cancelOrders: async () => ({ outcomes: [wire(answer)] }) } }, `/orders/${ID}/cancel`, {
      reason: 'changed my mind',
    })
    expect(reply.statusCode).toBe(status)
    if (answer.kind === 'refused') expect(reply.json().code).toBe(answer.code)
    if (status === 202) expect(reply.headers['retry-after']).toBe('1')
  })
})

describe('a product', () => {
  it('shows what is free over all locations', async () => {
    const stock = [
      { locationId: 'madrid', onHand: 10, reserved: 3 },
      { locationId: 'bilbao', onHand: 5, reserved: 5 },
    ]
    const reply = await send({ inventory: { getProducts: async () => ({ products: [product({ stock })] }) } }, '/products/a1')
    expect(reply.json()).toMatchObject({
      available: 7,
      stock: [
        { location_id: 'madrid', available: 7 },
        { location_id: 'bilbao', available: 0 },
      ],
    })
  })

  it('that does not exist is 404, read or received', async () => {
    const inventory = {
      getProducts: async () => ({ products: [] }),
      receiveStock: async () => ({ outcomes: [wire(refused('unknown_product', 'none'))] }),
    }
    const reply = await send({ inventory }, '/products/nope')
    expect([reply.statusCode, reply.json().code]).toEqual([404, 'not_found'])
    const received = await gateway?.app.inject({
      method: 'POST',
      url: '/products/nope/receive',
      payload: { location_id: 'm', quantity: 1 },
    })
    expect([received?.statusCode, received?.json().code]).toEqual([404, 'not_found'])
  })

  it.each([
    ['/products', { id: 'a1', name: 'Anvil', unit_price_minor: 1, currency: 'EUR' }, 'createProducts', 'product_exists', 409],
    ['/products/a1/adjust', { location_id: 'm', on_hand: 1, expected_on_hand: 2, reason: 'count' }, 'adjustStock', 'stock_changed', 409],
    ['/products/a1/adjust', { location_id: 'm', on_hand: 1, expected_on_hand: 2, reason: 'count' }, 'adjustStock', 'below_reserved', 409],
    ['/products/a1/adjust', { location_id: 'm', on_hand: 1, expected_on_hand: 2, reason: 'count' }, 'adjustStock', 'unknown_location', 422],
  ])('POST %s with %j by %s refused as %s is %i', async (url, payload, method, code, status) => {
    const reply = await send({ inventory: { [method]: async () => ({ outcomes: [wire(refused(code, 'no'))] }) } }, url, payload)
    expect([reply.statusCode, reply.json().code]).toEqual([status, code])
  })

  it('is created with its first stock', async () => {
    const createProducts = async ({ products }: { products: ReturnType<typeof product>[] }) => ({
      outcomes: products.map((one) => wire(done(one))),
    })
    const payload = {
      id: 'ñ'.normalize('NFD')[0] ?? '',
      name: 'Caña',
      unit_price_minor: 1,
      currency: 'EUR',
      stock: [{ location_id: 'm', on_hand: 4 }],
    }
    const reply = await send({ inventory: { createProducts } }, '/products', payload)
    expect([reply.statusCode, reply.headers.location, reply.json().name, reply.json().available]).toEqual([201, '/products/n', 'Caña', 4])
  })
})

it('shipments are read, dispatched and delivered; payments are read', async () => {
  const move = (status: string) => async () => ({ outcomes: [wire(done(shipment({ status })))] })
  const reply = await send(
    {
      shipping: {
        getShipments: async () => ({ shipments: [shipment()] }),
        dispatchShipments: move('dispatched'),
        deliverShipments: async () => ({ outcomes: [wire(refused('not_dispatched', 'wait'))] }),
      },
      payment: { getPayments: async () => ({ payments: [Payment.fromPartial({ orderId: ID, status: 'captured', capturedMinor: 3 })] }) },
    },
    `/shipments/${ID}-1`,
  )
  expect(reply.json()).toMatchObject({ id: `${ID}-1`, order_id: ID, status: 'created' })
  const { app } = gateway as NonNullable<typeof gateway>
  expect((await app.inject({ method: 'POST', url: `/shipments/${ID}-1/dispatch` })).json().status).toBe('dispatched')
  const early = await app.inject({ method: 'POST', url: `/shipments/${ID}-1/deliver` })
  expect([early.statusCode, early.json().code]).toEqual([409, 'not_dispatched'])
  expect((await app.inject(`/payments/${ID}`)).json()).toMatchObject({ id: ID, status: 'captured', captured_minor: 3, provider_ref: null })
})

it('is ready while orders is, and says how each service is', async () => {
  const ready = await send({ orders: {}, payment: {} }, '/readyz')
  const gone = "can't be reached"
  expect([ready.statusCode, ready.json()]).toEqual([
    200,
    { ready: true, services: { orders: 'ready', inventory: gone, payment: 'ready', shipping: gone } },
  ])
  await gateway?.close()
  expect((await send({ inventory: {} }, '/readyz')).statusCode).toBe(503)
  expect((await gateway?.app.inject('/healthz'))?.statusCode).toBe(200)
})

it.each([
  ['mine-1', 'mine-1'],
  ['has space', undefined],
  ['x'.repeat(129), undefined],
])('a request id is taken when it is sane, and made when not: %.20s', async (given, taken) => {
  const app = await gatewayWith({})
  for (const url of ['/healthz', '/nowhere', '/orders/%zz']) {
    const { headers } = await app.inject({ url, headers: { 'x-request-id': given } })
    expect(headers['x-request-id']).toMatch(taken ?? /^[0-9a-f-]{36}$/)
  }
  await app.close()
})

it.each([
  [undefined, 5_000],
  ['respond-async', 0],
  ['wait=0', 0],
  ['wait=10', 10_000],
  ['wait=31', 30_000],
  ['wait=99999', 30_000],
  ['respond-async, wait=10', 0],
  ['handling=lenient, Wait=3', 3_000],
  ['wait=-1', 5_000],
  ['wait=soon', 5_000],
])('Prefer: %s means a wait of %i ms', (prefer, ms) => {
  expect(waitFrom(prefer, 5_000)).toBe(ms)
})

it('on stopping, who waits is answered 202 at once, and no idle connection keeps it', async () => {
  let accepted = false
  const over = Promise.withResolvers<void>()
  gateway = await gatewayOn({
    orders: {
      async *placeOrders({ commands }) {
        yield message(commands.map((command, index) => ({ index, ended: false, answer: done(orderOf(command)) })))
        accepted = true
        await over.promise
      },
      getOrders: async ({ orderIds }) => ({ orders: orderIds.map((orderId) => orderOf({ orderId })) }),
    },
  })
  const url = await gateway.app.listen({ host: '127.0.0.1', port: 0 })
  await (await fetch(`${url}/healthz`)).text()
  const waiting = fetch(`${url}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=30' },
    body: JSON.stringify(BODY),
  })
  await until('the order to be accepted', () => accepted)
  await gateway.app.close()
  expect((await waiting).status).toBe(202)
  over.resolve()
}, 10_000)

it('what is not HTTP is told so', async () => {
  gateway = await gatewayOn({})
  const url = new URL(await gateway.app.listen({ host: '127.0.0.1', port: 0 }))
  const { connect } = await import('node:net')
  const said = await new Promise<string>((resolve, reject) => {
    let text = ''
    const socket = connect(Number(url.port), url.hostname, () => socket.write('GARBAGE\r\n\r\n'))
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('error', reject).on('close', () => resolve(text))
  })
  expect(said).toMatch(/^HTTP\/1\.1 400 Bad Request/)
  expect(JSON.parse(said.split('\r\n\r\n')[1] ?? '')).toMatchObject({ status: 400, code: 'invalid_request' })
  const large = await fetch(url, { headers: { 'x-large': 'x'.repeat(20_000) } })
  expect([large.status, large.headers.get('content-type')]).toEqual([431, 'application/problem+json'])
})
