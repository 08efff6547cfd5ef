import { HealthDefinition } from 'nice-grpc-server-health'
import { afterEach, expect, it } from 'vitest'
import { connectClients } from '../../src/gateway/clients.ts'
import { openDrain } from '../../src/gateway/drain.ts'
import { PaymentServiceDefinition } from '../../src/gen/comanda/v1/payment.ts'
import { connectGrpc, serveGrpc } from '../../src/platform/grpc.ts'
import { silentLog } from '../../src/platform/log.ts'
import { gatewayWith } from './fakes.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A payment that knows of nothing. */
const noPayments = Object.fromEntries(
  Object.keys(PaymentServiceDefinition.methods).map((name) => [name, async () => ({ payments: [] })]),
) as never

const SERVING = 1
const NOT_SERVING = 2

it.each(['on', 'off'] as const)('a service that is about to stop says so, and answers all the same (faults %s)', async (faults) => {
  const server = await serveGrpc(PaymentServiceDefinition, noPayments, { address: '127.0.0.1:0', log: silentLog(), faults })
  closing.push(server.stop)
  const address = `127.0.0.1:${server.port}`
  const [health, payment] = [connectGrpc(HealthDefinition, address, 5_000), connectGrpc(PaymentServiceDefinition, address, 5_000)]
  closing.push(health.close, payment.close)
  expect((await health.check({ service: '' })).status).toBe(SERVING)
  server.drain()
  expect((await health.check({ service: '' })).status).toBe(NOT_SERVING)
  expect(await payment.getPayments({ orderIds: [] })).toEqual({ payments: [] })
})

it('a gateway that is about to stop is not ready, answers all the same, and closes each connection with its answer', async () => {
  const drain = openDrain()
  const app = await gatewayWith({ health: async () => ({ orders: 'ready' }) }, { drain })
  closing.push(() => app.close())
  const ask = async (url: string) => {
    const { statusCode, headers } = await app.inject(url)
    return [statusCode, headers.connection]
  }
  expect(await ask('/readyz')).toEqual([200, 'keep-alive'])
  drain.begin()
  expect(await ask('/readyz')).toEqual([503, 'close'])
  expect(await ask('/healthz')).toEqual([200, 'close'])
})

it('a gateway is ready while one instance of orders is serving, though another is about to stop', async () => {
  const servers = await Promise.all(
    [1, 2].map(() => serveGrpc(PaymentServiceDefinition, noPayments, { address: '127.0.0.1:0', log: silentLog() })),
  )
  for (const server of servers) closing.push(server.stop)
  const both = servers.map(({ port }) => `127.0.0.1:${port}`).join(',')
  const clients = connectClients({
    host: '',
    ports: {} as never,
    addresses: { orders: both, inventory: both, payment: both, shipping: both },
    timeoutMs: 5_000,
  })
  closing.push(clients.close)
  servers[0]?.drain()
  for (let asked = 0; asked < 4; asked++) expect((await clients.health()).orders).toBe('ready')
  servers[1]?.drain()
  expect((await clients.health()).orders).toBe('not serving')
})
