import { appendFileSync, cpSync, readdirSync, readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect, createServer, type TlsOptions } from 'node:tls'
import { ClientError, Status } from 'nice-grpc'
import { HealthDefinition } from 'nice-grpc-server-health'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { InventoryServiceDefinition } from '../../src/gen/comanda/v1/inventory.ts'
import { callersOf, type Peer } from '../../src/platform/callers.ts'
import type { CertificateFiles } from '../../src/platform/certificates.ts'
import { connectGrpc, isUnavailable, serveGrpc } from '../../src/platform/grpc.ts'
import { type Log, silentLog } from '../../src/platform/log.ts'
import { turnMetricsOn } from '../../src/platform/metrics.ts'
import { type MutualTls, openMutualTls } from '../../src/platform/mutual-tls.ts'
import { openMeter } from '../../src/telemetry/meter.ts'
import { certificates, hasOpenssl } from '../support/certificates.ts'
import { temporaryFolder } from '../support/folder.ts'
import { loggedLines } from '../support/log.ts'
import { until } from '../support/until.ts'
import { samplesOf } from '../telemetry/exposition.ts'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

const NAMES = ['inventory', 'payment', 'orders', 'gateway', 'shipping', 'operator']
let ours: Awaited<ReturnType<typeof certificates>>
let foreign: typeof ours
/** Of our CA, and out of date. */
let expired: typeof ours
beforeAll(async () => {
  if (!hasOpenssl()) return
  ours = await certificates(NAMES)
  foreign = await certificates(NAMES)
  expired = await certificates(['orders', 'inventory'], { dir: copyOfCa(ours.dir), days: -1 })
})

function copyOfCa(dir: string): string {
  const copy = temporaryFolder('expired')
  for (const file of ['ca.crt', 'ca.key']) cpSync(join(dir, file), join(copy, file))
  return copy
}

const pem = (files: CertificateFiles) => ({ cert: readFileSync(files.cert), key: readFileSync(files.key) })
const portOf = (address: string) => Number(address.split(':')[1])

async function tls(files: CertificateFiles, log: Log = silentLog(), everyMs = 60_000): Promise<MutualTls> {
  const opened = await openMutualTls(files, { log, everyMs })
  open.push(opened.close)
  return opened
}

/** An inventory that has no products. */
async function inventory(as: MutualTls | undefined, log: Log = silentLog()): Promise<string> {
  const service = { getProducts: async () => ({ products: [] }) }
  const all = Object.fromEntries(Object.keys(InventoryServiceDefinition.methods).map((name) => [name, service.getProducts]))
  const server = await serveGrpc(InventoryServiceDefinition, all as never, { address: '127.0.0.1:0', log, tls: as })
  open.push(server.stop)
  return `127.0.0.1:${server.port}`
}

/** What listens, and would not even need a certificate. */
async function strangeService(options: TlsOptions): Promise<string> {
  const server = createServer(options)
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

function ask(address: string, as: MutualTls | undefined): Promise<string> {
  const client = connectGrpc(InventoryServiceDefinition, address, { timeoutMs: 25_000, service: 'inventory', tls: as })
  open.push(client.close)
  return client.getProducts({}).then(
    () => 'answered',
    (error: ClientError) => {
      expect(error).toBeInstanceOf(ClientError)
      if (error.code === Status.PERMISSION_DENIED) return `denied: ${error.details}`
      // What the order path makes of it: nothing is decided, the order is parked.
      expect(isUnavailable(error), `${error.code} ${error.details}`).toBe(true)
      return `unavailable: ${error.details}`
    },
  )
}

it('every method of the contracts has a list of who may call it: who is not the gateway calls what it needs, and no more', () => {
  const methods = readdirSync('proto/comanda/v1').flatMap((file) =>
    [...readFileSync(join('proto/comanda/v1', file), 'utf8').matchAll(/^service (\w+) \{(.*?)^\}/gms)].flatMap(([, service, body = '']) =>
      [...body.matchAll(/rpc (\w+)/g)].map(([, method]) => [`comanda.v1.${service}`, method as string] as const),
    ),
  )
  expect(methods.length).toBeGreaterThan(30)
  for (const [service, method] of methods) expect(callersOf(service, method), `${service}/${method}`).toContain('gateway')
  const calledBy = (peer: Peer) =>
    methods.filter(([service, method]) => callersOf(service, method).includes(peer)).map(([service, method]) => `${service}/${method}`)
  expect(calledBy('shipping')).toEqual(['comanda.v1.OrdersService/RecordShipments'])
  expect(calledBy('payment')).toEqual([])
  expect(calledBy('inventory')).toEqual([])
  expect(calledBy('operator').filter((name) => !name.includes('.AccessService/'))).toEqual([
    'comanda.v1.InventoryService/ListProducts',
    'comanda.v1.InventoryService/CreateProducts',
  ])
  expect(callersOf('comanda.v1.OrdersService', 'constructor')).toEqual(['gateway'])
  expect(callersOf('comanda.v1.NoService', 'PlaceOrders')).toEqual([])
})

describe.runIf(hasOpenssl())('between services with mutual TLS', () => {
  it('who has a certificate of our CA and is on the list is answered', async () => {
    const address = await inventory(await tls(ours.of('inventory')))
    for (const name of ['gateway', 'orders']) expect(await ask(address, await tls(ours.of(name)))).toBe('answered')
  })

  it('who is not on the list of the service is refused, and the log says who', async () => {
    const { log, lines } = loggedLines()
    const address = await inventory(await tls(ours.of('inventory')), log)
    expect(await ask(address, await tls(ours.of('shipping')))).toBe('denied: the certificate of the caller is for none of gateway, orders')
    expect(lines()).toContainEqual(
      expect.objectContaining({
        msg: 'call refused: not for this certificate',
        rpc: '/comanda.v1.InventoryService/GetProducts',
        certificate: 'DNS:shipping',
      }),
    )
  })

  it('anyone of ours may ask for the health', async () => {
    const address = await inventory(await tls(ours.of('inventory')))
    const health = connectGrpc(HealthDefinition, address, { timeoutMs: 25_000, service: 'inventory', tls: await tls(ours.of('payment')) })
    open.push(health.close)
    expect(await health.check({ service: '' })).toEqual({ status: 1 })
  })

  it('a plain caller is not answered, and the log says why', async () => {
    const { log, lines } = loggedLines()
    const address = await inventory(await tls(ours.of('inventory')), log)
    expect(await ask(address, undefined)).toMatch(/^unavailable: /)
    await until('the refusal to be logged', () => lines().some(({ msg }) => msg.startsWith('connection refused')))
  })

  it.each([
    ['no', () => ({}), /did not return a certificate/],
    ["another CA's", () => pem(foreign.of('orders')), /UNABLE_TO|SELF_SIGNED|SIGNATURE/],
    ['an expired', () => pem(expired.of('orders')), /CERT_HAS_EXPIRED/],
  ])('a caller with %s certificate is not answered, and the log says why', async (_which, shown, reason) => {
    const { log, lines } = loggedLines()
    const address = await inventory(await tls(ours.of('inventory')), log)
    const socket = connect({ ...shown(), port: portOf(address), host: '127.0.0.1', ALPNProtocols: ['h2'], rejectUnauthorized: false })
    open.push(() => socket.destroy())
    const heard: Buffer[] = []
    const closed = new Promise((resolve) =>
      socket
        .on('data', (data) => heard.push(data))
        .on('error', resolve)
        .on('close', resolve),
    )
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    await closed
    expect(heard).toEqual([])
    await until('the refusal to be logged', () => lines().some((line) => reason.test(String(line.reason))))
  })

  it('a caller that is turned away is told that it can not be reached', async () => {
    const address = await inventory(await tls(ours.of('inventory')))
    // It believes our CA, so that it is the service who turns it away.
    const both = join(foreign.dir, 'both.crt')
    cpSync(foreign.of('orders').ca, both)
    appendFileSync(both, readFileSync(ours.of('orders').ca))
    expect(await ask(address, await tls({ ...foreign.of('orders'), ca: both }))).toMatch(/^unavailable: /)
  })

  it('a service of another CA is not spoken to', async () => {
    const address = await inventory(await tls(foreign.of('inventory')))
    expect(await ask(address, await tls(ours.of('orders')))).toMatch(/^unavailable: .*(certificate|signature)/)
  })

  it('a service at the address of another is not spoken to', async () => {
    const address = await inventory(await tls(ours.of('payment')))
    expect(await ask(address, await tls(ours.of('orders')))).toMatch(
      /^unavailable: .*Host: inventory\. is not in the cert's altnames: DNS:payment/,
    )
  })

  it('a service with an expired certificate is not spoken to', async () => {
    const address = await strangeService({ ...pem(expired.of('inventory')), ALPNProtocols: ['h2'] })
    expect(await ask(address, await tls(ours.of('orders')))).toMatch(/^unavailable: .*certificate has expired/)
  })

  it('a plain service is not spoken to', async () => {
    expect(await ask(await inventory(undefined), await tls(ours.of('orders')))).toMatch(/^unavailable: /)
  })
})

describe.runIf(hasOpenssl())('certificates that are replaced on the disk', () => {
  const EVERY_MS = 20

  it('are taken up for the next connections, on both sides, without a restart', async () => {
    const rotated = await certificates(NAMES)
    const { log, lines } = loggedLines()
    const address = await inventory(await tls(rotated.of('inventory'), log, EVERY_MS))
    const caller = await tls(rotated.of('orders'), log, EVERY_MS)
    expect(await ask(address, caller)).toBe('answered')
    // Another CA, and new certificates of it, all at once: who still had the old ones would be turned away.
    for (const name of ['ca', ...NAMES])
      for (const ending of ['crt', 'key']) cpSync(join(foreign.dir, `${name}.${ending}`), join(rotated.dir, `${name}.${ending}`))
    await until('both to have taken them up', () => lines().filter(({ msg }) => msg.includes('taken up')).length === 2)
    expect(await ask(address, await tls(foreign.of('gateway')))).toBe('answered')
    expect(await ask(await inventory(await tls(foreign.of('inventory'))), caller)).toBe('answered')
    expect(await ask(await inventory(await tls(rotated.of('inventory'))), caller)).toBe('answered')
  })

  it('are not taken up when they are no good: it is said once, and those in use are kept', async () => {
    const broken = await certificates(NAMES)
    const { log, lines } = loggedLines()
    const address = await inventory(await tls(broken.of('inventory'), log, EVERY_MS))
    const caller = await tls(broken.of('orders'))
    cpSync(foreign.of('inventory').key, broken.of('inventory').key)
    const told = () => lines().filter(({ level }) => level >= 50)
    await until('it to be said', () => told().length > 0)
    expect(await ask(address, caller)).toBe('answered')
    expect(told()).toEqual([
      expect.objectContaining({
        msg: 'the certificates on the disk are not good: going on with those in use',
        error: expect.stringContaining('does not belong to the certificate'),
      }),
    ])
  })

  it('tell the metrics when they end, and their CA', async () => {
    const files = (await certificates(NAMES)).of('inventory')
    const meter = openMeter('inventory')
    turnMetricsOn(meter)
    open.push(() => turnMetricsOn(undefined as never))
    const opened = await tls(files)
    const days = async () =>
      samplesOf(await meter.text())
        .filter(({ name }) => name === 'comanda_grpc_certificate_expires_timestamp_seconds')
        .map(({ labels, value }) => [labels.certificate, Math.round((value - Date.now() / 1_000) / 86_400)])
    expect(await days()).toEqual([
      ['own', 2],
      ['ca', 3_650],
    ])
    opened.close()
    expect(await days()).toEqual([])
  })

  it('are missed in the log a week before they end', async () => {
    const { log, lines } = loggedLines()
    await tls(ours.of('inventory'), log, EVERY_MS)
    await until('it to be said', () =>
      lines().some(({ msg }) => msg.startsWith('the certificate of this process, or its CA, expires soon')),
    )
  })
})
