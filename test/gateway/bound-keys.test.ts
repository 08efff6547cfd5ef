import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App } from '../../src/gateway/dependencies.ts'
import type { PlaceOrderCommand } from '../../src/gen/comanda/v1/orders.ts'
import { Payment } from '../../src/gen/comanda/v1/payment.ts'
import { BOUND_SCOPES } from '../../src/platform/api-key.ts'
import { done } from '../../src/platform/outcome.ts'
import { BODY, gatewayWith, ID, orderOf, shipment } from './fakes.ts'
import { keyRing } from './keys.ts'

/** A key bound to a user: others' orders are not there, and nothing is done for others. */

const ring = keyRing()
const placed: PlaceOrderCommand[] = []
const cancelled: string[] = []
const asked: unknown[] = []
const NOT_THERE = ID.replace('7000', '7111')

let app: App
beforeAll(async () => {
  app = await gatewayWith(
    {
      placeOrder: async (command) => {
        placed.push(command)
        const order = orderOf(command, { status: 'confirmed', userId: command.userId })
        return { accepted: done(order), ended: Promise.resolve(order) }
      },
      getOrder: async (orderId) => (orderId === ID ? orderOf({ orderId }) : undefined),
      listOrderEvents: async (orderId) => ({ orderId, events: [] }),
      listOrders: async (query) => {
        asked.push(query)
        return { orders: [], next: '' }
      },
      cancelOrder: async ({ orderId }) => {
        cancelled.push(orderId)
        return done(orderOf({ orderId }, { status: 'cancelled' }))
      },
      getPayment: async (orderId) => Payment.fromPartial({ orderId, createdAt: new Date(0), updatedAt: new Date(0) }),
      getShipment: async (id) => shipment({ id, orderId: id.slice(0, 36) }),
    },
    { access: ring.access() },
  )
})
afterAll(() => app.close())

const bound = (userId: string) => ring.key([...BOUND_SCOPES], { userId })
type Method = 'GET' | 'POST'

const WAYS: [Method, (id: string) => string][] = [
  ['GET', (id) => `/orders/${id}`],
  ['GET', (id) => `/orders/${id}/events`],
  ['GET', (id) => `/orders/${id}/explain`],
  ['POST', (id) => `/orders/${id}/cancel`],
  ['GET', (id) => `/payments/${id}`],
  ['GET', (id) => `/shipments/${id}-1`],
]

describe('the order of another user', () => {
  it('is tried over every route that a bound key opens and that names one', async () => {
    const { paths } = (await app.inject({ url: '/openapi.json', headers: ring.key() })).json()
    const open = Object.entries(paths as Record<string, Record<string, { security: { bearer?: string[] }[] }>>).flatMap(([path, item]) =>
      Object.entries(item)
        .filter(([, { security }]) => ['orders:read', 'orders:write'].includes(security[0]?.bearer?.[0] ?? ''))
        .map(([method]) => `${method.toUpperCase()} ${path}`),
    )
    const tried = WAYS.map(([method, path]) => `${method} ${path('{id}').replace('{id}-1', '{id}')}`)
    expect(open.filter((route) => route.includes('{')).toSorted()).toEqual(tried.toSorted())
  })

  it.each(WAYS)('%s %s is not there, in the very words of one that does not exist', async (method, path) => {
    const headers = { ...bound('u2'), 'x-request-id': 'same' }
    const foreign = await app.inject({ method, url: path(ID), headers })
    const missing = await app.inject({ method, url: path(NOT_THERE), headers })
    expect([foreign.statusCode, foreign.body]).toEqual([404, missing.body])
    expect(cancelled).toEqual([])
  })

  it.each(WAYS)('but %s %s is, for its own user and for a key that is bound to nobody', async (method, path) => {
    for (const headers of [bound('u123'), ring.key()]) {
      const reply = await app.inject({ method, url: path(ID), headers })
      expect(reply.statusCode, reply.body).toBe(200)
    }
    cancelled.length = 0
  })

  it('is in no list', async () => {
    asked.length = 0
    expect((await app.inject({ url: '/orders', headers: bound('u2') })).json()).toEqual({ orders: [], next: null })
    expect((await app.inject({ url: '/orders?user_id=u123', headers: bound('u2') })).json()).toEqual({ orders: [], next: null })
    await app.inject({ url: '/orders?user_id=u2', headers: bound('u2') })
    await app.inject({ url: '/orders?user_id=u123', headers: ring.key() })
    expect(asked).toMatchObject([{ userId: 'u2' }, { userId: 'u2' }, { userId: 'u123' }])
  })
})

describe('with a key bound to a user', () => {
  const place = (headers: object, more: object = {}) =>
    app.inject({ method: 'POST', url: '/orders', headers: { ...headers }, payload: { ...BODY, ...more } })
  const bulk = async (headers: object, ...orders: object[]) => {
    const payload = orders.map((order) => `${JSON.stringify(order)}\n`).join('')
    const reply = await app.inject({
      ...{ method: 'POST', url: '/orders/bulk', payload },
      headers: { ...headers, 'content-type': 'application/x-ndjson' },
    })
    const answers = reply.body.split('\n').filter(Boolean)
    return answers.map((text) => JSON.parse(text) as { line: number; status: number; problem?: { code: string } })
  }
  const discount = { items: [{ product_id: 'a1', quantity: 1, discount_basis_points: 10_000 }] }

  it("the user's orders are placed, others' are not, one by one and in bulk", async () => {
    placed.length = 0
    expect((await place(bound('u123'))).statusCode).toBe(201)
    const foreign = await place(bound('u2'))
    expect([foreign.statusCode, foreign.json().code]).toEqual([403, 'bound_key'])
    const answers = await bulk(bound('u2'), BODY, { ...BODY, user_id: 'u2' })
    expect(answers.toSorted((a, b) => a.line - b.line)).toMatchObject([{ status: 403, problem: { code: 'bound_key' } }, { status: 201 }])
    expect(placed.map(({ userId }) => userId)).toEqual(['u123', 'u2'])
  })

  it('nobody gives themselves a discount', async () => {
    const reply = await place(bound('u123'), discount)
    expect([reply.statusCode, reply.json().detail]).toEqual([403, 'items[0].discount_basis_points: this key can not give discounts'])
    expect(await bulk(bound('u123'), { ...BODY, ...discount })).toMatchObject([{ status: 403 }])
    expect((await place(ring.key(), discount)).statusCode).toBe(201)
  })

  it("an Idempotency-Key is the user's own: no other can take it, or learn from it", async () => {
    placed.length = 0
    await place({ ...bound('u123'), 'idempotency-key': 'k' })
    await place({ ...bound('u2'), 'idempotency-key': 'k' }, { user_id: 'u2' })
    await place({ ...ring.key(), 'idempotency-key': 'k' })
    await bulk(bound('u2'), { ...BODY, user_id: 'u2', idempotency_key: 'k' })
    expect(placed.map(({ idempotencyKey }) => idempotencyKey)).toEqual(['u123 k', 'u2 k', 'k', 'u2 k'])
  })
})
