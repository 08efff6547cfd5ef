import { afterEach, describe, expect, it } from 'vitest'
import { buildGateway } from '../../src/gateway/app.ts'
import { connectFaultControl } from '../../src/gateway/faults.ts'
import { PaymentServiceDefinition } from '../../src/gen/comanda/v1/payment.ts'
import { ShippingServiceDefinition } from '../../src/gen/comanda/v1/shipping.ts'
import { serveGrpc } from '../../src/platform/grpc.ts'
import { silentLog } from '../../src/platform/log.ts'

/** /faults, over gRPC to services that do nothing else: payment and shipping are open to faults, inventory is not, orders is not there. */

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function serve(definition: typeof PaymentServiceDefinition | typeof ShippingServiceDefinition, faults: 'on' | 'off') {
  const methods = Object.fromEntries(Object.keys(definition.methods).map((name) => [name, async () => ({})]))
  const server = await serveGrpc(definition as typeof PaymentServiceDefinition, methods as never, {
    ...{ address: '127.0.0.1:0', log: silentLog(), faults },
  })
  closing.push(() => server.stop())
  return `127.0.0.1:${server.port}`
}

async function gateway(inventory: 'on' | 'off' = 'on') {
  const addresses = {
    orders: '127.0.0.1:1',
    inventory: await serve(PaymentServiceDefinition, inventory),
    // Two instances.
    payment: `${await serve(PaymentServiceDefinition, 'on')},${await serve(PaymentServiceDefinition, 'on')}`,
    shipping: await serve(ShippingServiceDefinition, 'on'),
  }
  const faults = connectFaultControl({ addresses })
  const app = await buildGateway({ clients: {} as never, faults, waitMs: 1_000, ordersAtOnce: 10, log: silentLog() })
  closing.push(() => faults.close())
  closing.push(() => app.close())
  return app
}

describe('a fault on purpose', () => {
  it('is set, listed and cleared', async () => {
    const app = await gateway()
    const payload = { service: 'payment', kind: 'latency', method: 'VoidPayments', rate: 0.5, for_ms: 60_000, latency_ms: 250, count: 7 }
    const set = await app.inject({ method: 'POST', url: '/faults', payload })
    expect(set.statusCode).toBe(201)
    const { for_ms: _, ...as } = payload
    expect(set.json()).toEqual({ ...as, id: expect.any(String), struck: 0, ends_in_ms: expect.any(Number) })
    expect(set.json().ends_in_ms).toBeGreaterThan(50_000)

    await app.inject({ method: 'POST', url: '/faults', payload: { service: 'shipping', kind: 'unavailable' } })
    const list = (await app.inject('/faults')).json()
    expect(list.unreachable).toEqual(['orders'])
    expect(list.faults).toMatchObject([
      { service: 'payment', kind: 'latency' },
      { service: 'shipping', kind: 'unavailable', method: null, rate: 1, latency_ms: null, count: null },
    ])
    expect((await app.inject('/faults?service=shipping')).json().faults.length).toBe(1)

    expect((await app.inject({ method: 'DELETE', url: '/faults?service=shipping' })).json()).toEqual({ cleared: 1, unreachable: [] })
    expect((await app.inject({ method: 'DELETE', url: '/faults' })).json()).toEqual({ cleared: 1, unreachable: ['orders'] })
    expect((await app.inject('/faults')).json().faults).toEqual([])
  })

  it.each<[object, string]>([
    [{ kind: 'error' }, 'service'],
    [{ service: 'gateway', kind: 'error' }, 'service'],
    [{ service: 'payment', kind: 'sabotage' }, 'kind'],
    [{ service: 'payment', kind: 'error', rate: 0 }, 'rate'],
    [{ service: 'payment', kind: 'error', rate: 1.5 }, 'rate'],
    [{ service: 'payment', kind: 'error', for_ms: 3_600_001 }, 'for_ms'],
    [{ service: 'payment', kind: 'error', count: 0 }, 'count'],
    [{ service: 'payment', kind: 'error', forever: true }, 'forever'],
  ])('%j is refused, naming the field', async (payload, field) => {
    const reply = await (await gateway()).inject({ method: 'POST', url: '/faults', payload })
    expect([reply.statusCode, reply.json().code, reply.json().errors?.[0]?.field]).toEqual([400, 'invalid_request', field])
  })

  it('that its service refuses is told in its words', async () => {
    const app = await gateway()
    const asked = { service: 'payment', kind: 'error', method: 'PlaceOrders' }
    const reply = await app.inject({ method: 'POST', url: '/faults', payload: asked })
    expect([reply.statusCode, reply.json().code]).toEqual([400, 'invalid_request'])
    expect(reply.json().detail).toContain('no method "PlaceOrders": it has AuthorizePayments')
    const noWait = await app.inject({ method: 'POST', url: '/faults', payload: { service: 'payment', kind: 'latency' } })
    expect(noWait.json().detail).toContain('a latency is from')
  })

  it('at a service that is not there is 503', async () => {
    const reply = await (await gateway()).inject({ method: 'POST', url: '/faults', payload: { service: 'orders', kind: 'error' } })
    expect([reply.statusCode, reply.json().code]).toEqual([503, 'unavailable'])
  })

  it('at a service that was started without is 404', async () => {
    const app = await gateway('off')
    const reply = await app.inject({ method: 'POST', url: '/faults', payload: { service: 'inventory', kind: 'error' } })
    expect([reply.statusCode, reply.json().code]).toEqual([404, 'faults_off'])
    expect(reply.json().detail).toContain('inventory')
  })
})

it.each(['GET', 'POST', 'DELETE'] as const)('%s /faults is 404 faults_off when faults are off', async (method) => {
  const app = await buildGateway({ clients: {} as never, waitMs: 1_000, ordersAtOnce: 10, log: silentLog() })
  closing.push(() => app.close())
  const reply = await app.inject({ method, url: '/faults', ...(method === 'POST' && { payload: { service: 'payment', kind: 'error' } }) })
  expect([reply.statusCode, reply.json().code]).toEqual([404, 'faults_off'])
  const paths = (await app.inject('/openapi.json')).json().paths
  expect(Object.keys(paths['/faults'])).toEqual(expect.arrayContaining(['get', 'post', 'delete']))
})
