import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App } from '../../src/gateway/dependencies.ts'
import { done } from '../../src/platform/outcome.ts'
import { BODY, gatewayWith, ID, orderOf, product, shipment } from './fakes.ts'

/** Bad input gets a clear error that names the field, and changes nothing: the services are never asked. */

let app: App
let asked: string[] = []
const ask =
  <T>(name: string, answer: T) =>
  async () => {
    asked.push(name)
    return answer
  }

beforeAll(async () => {
  const order = orderOf({ orderId: ID }, { status: 'confirmed' })
  app = await gatewayWith({
    placeOrder: ask('placeOrder', { accepted: done(order), ended: Promise.resolve(order) }),
    cancelOrder: ask('cancelOrder', done(order)),
    getOrder: ask('getOrder', undefined),
    getProduct: ask('getProduct', undefined),
    getPayment: ask('getPayment', undefined),
    getShipment: ask('getShipment', undefined),
    listOrders: ask('listOrders', { orders: [], next: '' }),
    listProducts: ask('listProducts', { products: [], next: '' }),
    createProduct: ask('createProduct', done(product())),
    receiveStock: ask('receiveStock', done(product())),
    adjustStock: ask('adjustStock', done(product())),
    dispatchShipment: ask('dispatchShipment', done(shipment())),
    deliverShipment: ask('deliverShipment', done(shipment())),
  })
})
afterAll(() => app.close())

type Request = {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH'
  url: string
  headers?: Record<string, string>
  payload?: string | object
}
async function send({ method = 'GET', url, ...more }: Request) {
  asked = []
  const reply = await app.inject({ method, url, ...more })
  return { status: reply.statusCode, headers: reply.headers, text: reply.body, body: reply.body ? reply.json() : {} }
}
const post = (payload: string | object, headers: Record<string, string> = {}) =>
  send({ method: 'POST', url: '/orders', payload, headers: { 'content-type': 'application/json', ...headers } })
const item = (more: object) => ({ ...BODY, items: [BODY.items[0], { product_id: 'b2', quantity: 1, ...more }] })
const address = (more: object) => ({ ...BODY, address: { name: 'A', line1: 'B', city: 'C', country: 'ES', ...more } })

const WHOLE = 'must be a whole number from 1 to 10000'
const NAMED: [what: string, body: object, field: string, message: string][] = [
  ['no items', { ...BODY, items: [] }, 'items', 'must be a list of 1 to 100 items'],
  [
    '101 items',
    { ...BODY, items: Array.from({ length: 101 }, (_, i) => ({ product_id: `p${i}`, quantity: 1 })) },
    'items',
    'must be a list of 1 to 100 items',
  ],
  ['items that are no list', { ...BODY, items: 'a1' }, 'items', 'must be a list of 1 to 100 items'],
  ['quantity 0', item({ quantity: 0 }), 'items[1].quantity', WHOLE],
  ['a negative quantity', item({ quantity: -1 }), 'items[1].quantity', WHOLE],
  ['a fraction', item({ quantity: 1.5 }), 'items[1].quantity', WHOLE],
  ['too large a quantity', item({ quantity: 10_001 }), 'items[1].quantity', WHOLE],
  ['a quantity in quotes', item({ quantity: '2' }), 'items[1].quantity', WHOLE],
  ['no quantity', item({ quantity: undefined }), 'items[1].quantity', 'is missing'],
  ['a quantity of null', item({ quantity: null }), 'items[1].quantity', WHOLE],
  [
    'a product twice',
    { ...BODY, items: [...BODY.items, { product_id: 'a1', quantity: 1 }] },
    'items[2].product_id',
    'is the same as items[0].product_id; put each in one place',
  ],
  ['an unknown field', { ...BODY, coupon: 'x' }, 'coupon', 'is not known'],
  ['an unknown field of an item', item({ price: 1 }), 'items[1].price', 'is not known'],
  ['a user id with a space', { ...BODY, user_id: 'u 1' }, 'user_id', 'must be a user id'],
  ['a user id with a newline', { ...BODY, user_id: 'u1\n' }, 'user_id', 'must be a user id'],
  ['a user id of 10,000 characters', { ...BODY, user_id: 'u'.repeat(10_000) }, 'user_id', 'must be a user id'],
  ['a product id of emoji', item({ product_id: '📦' }), 'items[1].product_id', 'must be a product id'],
  [
    'an unknown method',
    { ...BODY, payment_method: 'shells' },
    'payment_method',
    'must be one of credit_card, debit_card, paypal, bank_transfer, cash_on_delivery',
  ],
  ['a discount above all', item({ discount_basis_points: 10_001 }), 'items[1].discount_basis_points', 'must be hundredths of a percent'],
  ['negative freight', { ...BODY, freight_minor: -1 }, 'freight_minor', 'must be minor units, a whole number from 0'],
  ['an expected total past the safe integers', { ...BODY, expected_total_minor: 1e16 }, 'expected_total_minor', 'must be minor units'],
  ['a currency in small letters', { ...BODY, currency: 'eur' }, 'currency', 'must be three capital letters'],
  ['a shipping method of its own', { ...BODY, shipping_method: 'drone' }, 'shipping_method', 'must be standard or express'],
  ['a country that is a name', address({ country: 'Spain' }), 'address.country', 'must be two capital letters'],
  [
    'a control character in an address',
    address({ city: 'a\u0000b' }),
    'address.city',
    'must be 1 to 100 characters without control characters',
  ],
  ['a NUL in metadata', { ...BODY, metadata: { note: 'a\u0000b' } }, 'metadata.note', 'must be at most 500 characters, NUL not among them'],
  ['a NUL in a key of metadata', { ...BODY, metadata: { 'a\u0000': 'b' } }, 'metadata."a\\u0000"', 'is not a key of 1 to 64 characters'],
  ['a number in metadata', { ...BODY, metadata: { n: 1 } }, 'metadata.n', 'must be at most 500 characters'],
  [
    '21 entries of metadata',
    { ...BODY, metadata: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`k${i}`, 'v'])) },
    'metadata',
    'must be an object of at most 20 texts',
  ],
]

describe('an order is not taken with', () => {
  it.each(NAMED)('%s', async (_what, body, field, message) => {
    const reply = await post(body)
    expect(reply.status).toBe(400)
    expect(reply.headers['content-type']).toContain('application/problem+json')
    expect(reply.body.code).toBe('invalid_request')
    const told = (reply.body.errors as { field: string; message: string }[]).find((error) => error.field === field)
    expect(told?.message, reply.text).toContain(message)
    expect(reply.body.detail).toContain(reply.body.errors[0].field)
    expect(asked).toEqual([])
  })

  it.each(['4111111111111111', '4111 1111 1111 1111', '4111-1111-1111-1111'])(
    'a card number as its token (%s), which is not repeated',
    async (payment_token) => {
      const reply = await post({ ...BODY, payment_token })
      expect([reply.status, reply.body.errors[0].field]).toEqual([400, 'payment_token'])
      expect(reply.text).not.toContain('4111')
      expect(asked).toEqual([])
    },
  )

  it.each(['', ' ', 'a b', 'k'.repeat(256), 'clé'])('the key "%s"', async (key) => {
    const reply = await post(BODY, { 'idempotency-key': key })
    expect([reply.status, reply.body.errors[0].field, asked]).toEqual([400, 'header idempotency-key', []])
  })

  it.each(['null', '[]', '1', '"x"', 'true'])('the body %s', async (payload) => {
    const reply = await post(payload)
    expect([reply.status, reply.body.errors, asked]).toEqual([400, [{ field: 'body', message: 'must be a JSON object' }], []])
  })

  it.each(['{', 'hello', '{"a":1,}', '{"__proto__":{"a":1}}', '{"constructor":{"prototype":{}}}', '{"items":[{"__proto__":1}]}'])(
    'what is no proper JSON: %s',
    async (payload) => {
      const reply = await post(payload)
      expect([reply.status, reply.body.code, asked]).toEqual([400, 'invalid_json', []])
    },
  )

  it('a body above 64 KiB', async () => {
    const reply = await post({ ...BODY, metadata: { note: 'x'.repeat(65 * 1024) } })
    expect([reply.status, reply.body.code, asked]).toEqual([413, 'body_too_large', []])
  })

  it.each(['text/plain', 'application/xml', 'application/x-www-form-urlencoded'])('a body of %s', async (type) => {
    const reply = await post('a=1', { 'content-type': type })
    expect([reply.status, reply.body.code, asked]).toEqual([415, 'unsupported_media_type', []])
  })

  it('several mistakes, and every one is named', async () => {
    const reply = await post({ items: [{ product_id: 'a 1', quantity: 0 }], payment_method: 'x', extra: 1 })
    const fields = (reply.body.errors as { field: string }[]).map((error) => error.field)
    expect(fields.toSorted()).toEqual(['extra', 'items[0].product_id', 'items[0].quantity', 'payment_method', 'user_id'])
    expect(reply.body.detail).toContain('(and 4 more)')
  })

  it('thousands of mistakes, of which a hundred are told', async () => {
    const reply = await post(JSON.stringify({ ...BODY, items: Array.from({ length: 9_000 }, () => 1) }))
    expect([reply.status, reply.body.errors.length]).toEqual([400, 100])
  })
})

describe('a path', () => {
  const bad = ['nope', 'x'.repeat(10_000), '%F0%9F%98%80', 'a%0Ab', '%00', 'a%20b', '..%2F..%2Fetc', `${ID}%00`]
  const places = ['/orders/:id', '/orders/:id/events', '/products/:id', '/payments/:id', '/shipments/:id']
  it.each(places.flatMap((place) => bad.map((id) => place.replace(':id', id))))('of no thing that exists is 404: %.60s', async (url) => {
    const reply = await send({ url })
    expect([reply.status, reply.body.status]).toEqual([404, 404])
    expect(asked.filter((name) => name !== 'getProduct')).toEqual([])
  })

  it('that is no URL is 400', async () => {
    const reply = await send({ url: '/orders/%zz' })
    expect([reply.status, reply.body.code]).toEqual([400, 'invalid_request'])
  })

  it.each([
    ['DELETE', '/orders', 'POST, GET, HEAD'],
    ['PUT', `/orders/${ID}`, 'GET, HEAD'],
    ['GET', `/orders/${ID}/cancel`, 'POST'],
    ['PATCH', '/products/a1', 'GET, HEAD'],
    ['POST', '/healthz', 'GET, HEAD'],
  ] as const)('does not take %s %s, and says what it takes', async (method, url, allow) => {
    const reply = await send({ method, url })
    expect([reply.status, reply.body.code]).toEqual([405, 'method_not_allowed'])
    expect(new Set(String(reply.headers.allow).split(', '))).toEqual(new Set(allow.split(', ')))
  })

  it.each(['/', '/order', '/orders/a/b/c', '/api/orders'])('that leads nowhere is 404: %s', async (url) => {
    const reply = await send({ url })
    expect([reply.status, reply.body.code]).toEqual([404, 'not_found'])
  })

  it.each([
    ['/orders?status=lost', 'query status'],
    ['/orders?limit=0', 'query limit'],
    ['/orders?limit=201', 'query limit'],
    ['/orders?from=yesterday', 'query from'],
    ['/orders?to=2026-13-40', 'query to'],
    ['/orders?before=x', 'query before'],
    ['/orders?user_id=a%00', 'query user_id'],
    ['/orders?sort=up', 'query sort'],
    ['/orders?limit=1&limit=2', 'query limit'],
    ['/products?after=%0A', 'query after'],
    ['/products?available_at_most=-1', 'query available_at_most'],
  ])('with a wrong query names it: %s', async (url, field) => {
    const reply = await send({ url })
    expect([reply.status, reply.body.errors[0].field, asked]).toEqual([400, field, []])
  })
})

it.each([
  ['/products', { id: 'a b', name: 'x', unit_price_minor: 1, currency: 'EUR' }, 'id'],
  ['/products', { id: 'a', name: '', unit_price_minor: 1, currency: 'EUR' }, 'name'],
  ['/products', { id: 'a', name: 'x', unit_price_minor: 0.5, currency: 'EUR' }, 'unit_price_minor'],
  ['/products', { id: 'a', name: 'x', unit_price_minor: 1, currency: 'EUR', weight_grams: -1 }, 'weight_grams'],
  [
    '/products',
    {
      id: 'a',
      name: 'x',
      unit_price_minor: 1,
      currency: 'EUR',
      stock: [
        { location_id: 'm', on_hand: 1 },
        { location_id: 'm', on_hand: 2 },
      ],
    },
    'stock[1].location_id',
  ],
  ['/products/a1/receive', { location_id: 'm', quantity: 0 }, 'quantity'],
  ['/products/a1/adjust', { location_id: 'm', on_hand: 1, reason: 'x' }, 'expected_on_hand'],
  [`/orders/${ID}/cancel`, { because: 'x' }, 'because'],
  [`/shipments/${ID}-1/dispatch`, { to: 'x' }, 'to'],
])('POST %s names what is wrong', async (url, payload, field) => {
  const reply = await send({ method: 'POST', url, payload })
  expect([reply.status, reply.body.errors?.[0].field, asked]).toEqual([400, field, []])
})

it.each([`/orders/${ID}/cancel`, `/shipments/${ID}-1/dispatch`, `/shipments/${ID}-1/deliver`])(
  'POST %s needs no body, said to be JSON or not',
  async (url) => {
    expect((await send({ method: 'POST', url })).status).toBeLessThan(300)
    expect((await send({ method: 'POST', url, headers: { 'content-type': 'application/json' }, payload: '' })).status).toBeLessThan(300)
  },
)

it('whatever JSON is sent, the answer is an order or a problem that names a field, and never a 5xx', async () => {
  const almost = fc.record(
    {
      user_id: fc.oneof(fc.constant('u1'), fc.jsonValue()),
      items: fc.oneof(fc.constant(BODY.items), fc.array(fc.jsonValue()), fc.jsonValue()),
    },
    { requiredKeys: [] },
  )
  const json = fc.oneof(
    fc.jsonValue(),
    almost.map((part) => ({ ...BODY, ...part })),
    fc.dictionary(fc.string(), fc.jsonValue()).map((metadata) => ({ ...BODY, metadata })),
  )
  await fc.assert(
    fc.asyncProperty(json, async (value) => {
      const reply = await post(JSON.stringify(value))
      if (reply.status === 201) return
      expect(reply.status).toBeLessThan(500)
      expect(reply.headers['content-type']).toContain('application/problem+json')
      expect(reply.body).toMatchObject({ status: reply.status, title: expect.any(String), detail: expect.any(String) })
      expect(asked).toEqual([])
    }),
    { numRuns: 500 },
  )
})
