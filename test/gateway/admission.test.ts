import { request } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import type { Order } from '../../src/gen/comanda/v1/orders.ts'
import { done } from '../../src/platform/outcome.ts'
import { until } from '../support/until.ts'
import { BODY, gatewayWith, ID, orderOf } from './fakes.ts'

/** What a gateway refuses when it has too much to do, and what it never refuses. */

const LISTS = ['/orders', '/products', '/discrepancies', '/dead-letters', `/orders/${ID}/events`]
type App = Awaited<ReturnType<typeof gatewayWith>>
let app: App | undefined
afterEach(() => app?.close())

/** A gateway whose orders end when `end` is called. */
async function slowGateway(ordersAtOnce: number) {
  const end = Promise.withResolvers<void>()
  let placed = 0
  app = await gatewayWith(
    {
      async placeOrder(command) {
        placed++
        const confirmed: Order = orderOf(command, { status: 'confirmed' })
        return { accepted: done(orderOf(command)), ended: end.promise.then(() => confirmed) }
      },
      cancelOrder: async () => done(orderOf({ orderId: ID }, { status: 'cancelled' })),
      getOrder: async (id) => orderOf({ orderId: id }),
      listOrders: async () => ({ orders: [], next: '' }),
    },
    { ordersAtOnce, waitMs: 30_000 },
  )
  return { app, end: end.resolve, placed: () => placed }
}
const post = (to: App) => to.inject({ method: 'POST', url: '/orders', payload: BODY })
const get = (to: App, url: string) => to.inject({ method: 'GET', url })

describe('a gateway with as many orders under way as it may have', () => {
  it('refuses more, before it has looked at them, and takes new ones when some have ended', async () => {
    const { app, end, placed } = await slowGateway(2)
    const first = [post(app), post(app)]
    await until('both to be under way', () => placed() === 2)
    const refused = await post(app)
    expect([refused.statusCode, refused.json().code, refused.headers['retry-after']]).toEqual([503, 'overloaded', '1'])
    expect((await app.inject({ method: 'POST', url: '/orders', payload: 'not even JSON' })).statusCode).toBe(503)
    expect(placed()).toBe(2)
    end()
    expect((await Promise.all(first)).map((reply) => reply.statusCode)).toEqual([201, 201])
    expect((await post(app)).statusCode).toBe(201)
  })

  it('gives up lists, for a while; health, cancels and single orders go on', async () => {
    const { app, end, placed } = await slowGateway(1)
    const first = post(app)
    await until('it to be under way', () => placed() === 1)
    expect((await get(app, '/orders')).statusCode).toBe(200)
    expect((await post(app)).statusCode).toBe(503)
    for (const list of LISTS) {
      // It is pressed for a while only.
      await post(app)
      expect((await get(app, list)).statusCode, list).toBe(503)
    }
    expect((await get(app, `/orders/${ID}`)).statusCode).toBe(200)
    expect((await get(app, '/healthz')).statusCode).toBe(200)
    expect((await app.inject({ method: 'POST', url: `/orders/${ID}/cancel`, payload: {} })).statusCode).toBe(200)
    end()
    await first
    await until('lists again', async () => (await get(app, '/orders')).statusCode === 200)
  })

  it('makes room when a client leaves in the middle', async () => {
    const { app, end, placed } = await slowGateway(1)
    const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
    const headers = { 'content-type': 'application/json' }
    const left = request({ port, host: '127.0.0.1', method: 'POST', path: '/orders', headers }).on('error', () => {})
    left.end(JSON.stringify(BODY))
    await until('it to be under way', () => placed() === 1)
    expect((await post(app)).statusCode).toBe(503)
    left.destroy()
    end()
    await until('room', async () => (await post(app)).statusCode === 201)
  })

  it('lets lines in bulk wait instead', async () => {
    const { app, end, placed } = await slowGateway(1)
    const first = post(app)
    await until('it to be under way', () => placed() === 1)
    const headers = { 'content-type': 'application/x-ndjson' }
    const bulk = app.inject({ method: 'POST', url: '/orders/bulk', headers, payload: `${JSON.stringify(BODY)}\n` })
    await until('the line to be under way', () => placed() === 2)
    end()
    expect(JSON.parse((await bulk).body).status).toBe(201)
    await first
  })
})

describe('a gateway whose event loop is late', () => {
  it('gives up lists first, then orders', async () => {
    let lag = 0
    app = await gatewayWith(
      {
        placeOrder: async (command) => ({ accepted: done(orderOf(command, { status: 'confirmed' })), ended: Promise.resolve(undefined) }),
        listOrders: async () => ({ orders: [], next: '' }),
      },
      { lagMs: () => lag },
    )
    const both = async (to: App) => [(await get(to, '/orders')).statusCode, (await post(to)).statusCode]
    expect(await both(app)).toEqual([200, 201])
    lag = 300
    expect(await both(app)).toEqual([503, 201])
    lag = 1_500
    expect(await both(app)).toEqual([503, 503])
    expect((await get(app, '/healthz')).statusCode).toBe(200)
  })
})
