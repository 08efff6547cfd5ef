import { appendFileSync, cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SERVICES } from '../../src/platform/config.ts'
import { certificates, hasOpenssl } from '../support/certificates.ts'
import { temporaryFolder } from '../support/folder.ts'
import { type System, startSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { comanda, shop } from './shop.ts'

/** The whole system, every call between its processes over mutual TLS. */

const NAMES = [...SERVICES, 'operator']
let system: System
let client: ReturnType<typeof shop>
let dir: string

/** Each process has three files of its own, so that one of them can be given others. */
async function give(name: string, from: string): Promise<void> {
  for (const ending of ['crt', 'key']) cpSync(join(from, `${name}.${ending}`), join(dir, `${name}.${ending}`))
  cpSync(join(from, 'ca.crt'), join(dir, `${name}.ca.crt`))
}

const logOf = (service: string) => readFileSync(join(system.env.LOG_DIR ?? '', `${service}.log`), 'utf8')

describe.runIf(hasOpenssl())('with mutual TLS between the services', () => {
  let ours: string
  beforeAll(async () => {
    dir = temporaryFolder('tls')
    ours = (await certificates(NAMES)).dir
    for (const name of NAMES) await give(name, ours)
    system = await startSystem({
      GRPC_TLS_CERT_FILE: join(dir, '{service}.crt'),
      GRPC_TLS_KEY_FILE: join(dir, '{service}.key'),
      GRPC_TLS_CA_FILE: join(dir, '{service}.ca.crt'),
      COMANDA_FAULTS: 'on',
    })
    client = shop(system)
  }, 120_000)
  afterAll(() => system?.stop(), 60_000)

  it('an order is confirmed, paid and shipped', async () => {
    const { status, body } = await client.place({ a1: 2 })
    expect([201, 202]).toContain(status)
    const order = await client.final(body.id)
    expect(order.status).toBe('confirmed')
    expect((await client.call('GET', `/orders/${body.id}/explain`)).status).toBe(200)
    // Shipping tells orders.
    const [shipment] = order.shipments as { id: string }[]
    expect((await client.call('POST', `/shipments/${shipment?.id}/dispatch`)).status).toBe(200)
    await until('orders to know that it is on its way', async () =>
      ((await client.order(body.id)).shipments as { status: string }[]).some((one) => one.status === 'dispatched'),
    )
  })

  it('the command line reaches the services with a certificate of its own', async () => {
    const health = await comanda(system, 'health')
    expect(health.out.match(/ serving$/gm)).toHaveLength(SERVICES.length)
    expect(health.code).toBe(0)
    expect((await comanda(system, 'keys', 'create', '--name', 'tried', '--scopes', 'all')).out).toMatch(/^cmd_/)
    const { GRPC_TLS_CERT_FILE: _, GRPC_TLS_KEY_FILE: __, GRPC_TLS_CA_FILE: ___, ...plain } = system.env
    const without = await comanda({ ...system, env: plain }, 'health', 'orders')
    expect(without.code).toBe(1)
    expect(without.out).not.toContain(' serving')
    await until('orders to have logged it', () => logOf('orders').includes('connection refused: no certificate that is good here'))
  })

  it('faults on purpose reach every service', async () => {
    const { status, body } = await client.call('GET', '/faults')
    expect([status, body.unreachable]).toEqual([200, []])
  })

  it('a payment with a certificate of another CA is not spoken to: orders wait, and end when it has a good one', async () => {
    const foreign = (await certificates(['payment'])).dir
    await give('payment', foreign)
    // Payment itself would take the calls.
    appendFileSync(join(dir, 'payment.ca.crt'), readFileSync(join(ours, 'ca.crt')))
    await system.kill('payment')
    const { status, body } = await client.place({ a1: 1 })
    expect(status).toBe(202)
    await until('orders to say why payment is down', () =>
      /"reason":"[^"]*(self-signed certificate|unable to [^"]*certificate)[^"]*","msg":"payment is (still )?down/.test(logOf('orders')),
    )
    expect((await client.order(body.id)).status).toBe('pending')
    await give('payment', ours)
    await system.kill('payment')
    expect((await client.final(body.id)).status).toBe('confirmed')
  }, 120_000)

  it('a certificate that is for another service stops the start, in words', async () => {
    const env = {
      ...system.env,
      GRPC_TLS_CERT_FILE: join(dir, 'orders.crt'),
      GRPC_TLS_KEY_FILE: join(dir, 'orders.key'),
      GRPC_TLS_CA_FILE: join(dir, 'orders.ca.crt'),
    }
    const { code, out } = await comanda({ ...system, env }, 'serve', 'payment')
    expect(code).toBe(1)
    expect(out).toContain(
      `GRPC_TLS_CERT_FILE (${env.GRPC_TLS_CERT_FILE}) is for DNS:orders, but must be for DNS:payment: that is who this process is`,
    )
  })
})
