import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SERVICES, type ServiceName } from '../../src/platform/config.ts'
import { METRICS } from '../../src/platform/metrics.ts'
import { freePortsInARow, type System, startSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { type Sample, samplesOf } from './exposition.ts'

let system: System
let firstPort: number

beforeAll(async () => {
  firstPort = await freePortsInARow(SERVICES.length)
  system = await startSystem({ METRICS_PORT: String(firstPort) })
  // Busy with its start it may refuse the first.
  await until('orders to be let in', async () => (await order({ user_id: '' })).status === 400)
}, 120_000)
afterAll(() => system?.stop(), 60_000)

const scrape = async (service: ServiceName) => (await fetch(`http://127.0.0.1:${firstPort + SERVICES.indexOf(service)}/metrics`)).text()
const samples = async (service: ServiceName) => samplesOf(await scrape(service))
const find = (list: Sample[], name: string, labels: Record<string, string> = {}) =>
  list.find((sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value))?.value
/** Once that it is told: some of it is read only every few seconds. */
const told = (service: ServiceName, name: string, labels: Record<string, string>, isIt: (value: number) => boolean) =>
  until(`${name} ${JSON.stringify(labels)} of ${service}`, async () => {
    const value = find(await samples(service), name, labels)
    return value !== undefined && isIt(value)
  })

async function post(path: string, body: unknown): Promise<{ status: number; body: { id?: string; order_id?: string } }> {
  const answer = await fetch(system.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: answer.status, body: (await answer.json()) as { id?: string } }
}
const order = (more: Record<string, unknown> = {}) =>
  post('/orders', { user_id: 'u1', items: [{ product_id: 'a1', quantity: 1 }], payment_method: 'credit_card', ...more })

describe('a running system', () => {
  it('tells exactly the metrics of docs/TELEMETRY.md', async () => {
    const told = new Map<string, string>()
    for (const service of SERVICES) {
      for (const [, name = '', kind = ''] of (await scrape(service)).matchAll(/^# TYPE (comanda_\w+) (\w+)$/gm)) told.set(name, kind)
    }
    const documented = readFileSync('docs/TELEMETRY.md', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| `comanda_'))
    expect(
      documented
        .map((line) =>
          line
            .split('|')
            .slice(1, 3)
            .map((cell) => cell.trim().replaceAll('`', '')),
        )
        .sort(),
    ).toEqual([...told].sort())
    expect(documented).toEqual(
      Object.entries(METRICS).map(
        ([name, { kind, labels, from, meaning }]) =>
          `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${from} | ${meaning} |`,
      ),
    )
  })

  it('counts orders by their answer, at the gateway, in orders, in inventory and in payment', async () => {
    expect((await order()).status).toBe(201)
    expect((await order({ payment_token: 'tok_declined' })).status).toBe(402)
    expect((await order({ items: [{ product_id: 'p008', quantity: 500 }] })).status).toBe(409)
    const gateway = await samples('gateway')
    for (const outcome of ['confirmed', 'payment_declined', 'out_of_stock'])
      expect(find(gateway, 'comanda_placements_total', { outcome })).toBe(1)
    const route = { method: 'POST', route: '/orders' }
    expect(find(gateway, 'comanda_http_request_duration_seconds_count', { ...route, code: '201' })).toBe(1)
    // A stream ends a moment after its last answer.
    const streams = { grpc_method: 'PlaceOrders', grpc_code: 'OK' }
    await told('gateway', 'comanda_grpc_client_duration_seconds_count', streams, (value) => value === 3)
    const orders = await samples('orders')
    expect(find(orders, 'comanda_order_events_total', { type: 'order.accepted' })).toBe(3)
    await told('orders', 'comanda_grpc_server_duration_seconds_count', streams, (value) => value === 3)
    expect(find(orders, 'comanda_batch_size_count', { batch: 'reserve stock' })).toBe(3)
    await told('orders', 'comanda_orders', { status: 'confirmed' }, (value) => value === 1)
    expect(find(await samples('inventory'), 'comanda_reservations_total', { outcome: 'out_of_stock' })).toBe(1)
    expect(find(await samples('payment'), 'comanda_payments_total', { step: 'authorise', outcome: 'refused' })).toBe(1)
  })

  it('never makes a label of an id', async () => {
    const id = '00000000-0000-7000-8000-000000000000'
    await fetch(`${system.url}/orders/${id}`)
    await fetch(`${system.url}/nowhere/${id}`)
    const text = await scrape('gateway')
    expect(text).not.toContain(id)
    expect(find(samplesOf(text), 'comanda_http_request_duration_seconds_count', { route: 'none', code: '404' })).toBe(1)
  })

  it('tells what waits and for whom while payment is away, and that it has gone on', async () => {
    await post('/faults', { service: 'payment', kind: 'unavailable', for_ms: 600_000 })
    await until('an order to wait', async () => (await order()).status === 202)
    await told('orders', 'comanda_orders_parked', { waits_for: 'payment', work: 'place' }, (value) => value >= 1)
    await told('orders', 'comanda_orders_parked_oldest_age_seconds', { waits_for: 'payment' }, (value) => value > 0)
    await told('orders', 'comanda_dependency_up', { dependency: 'payment' }, (value) => value === 0)
    await fetch(`${system.url}/faults`, { method: 'DELETE' })
    await told('orders', 'comanda_dependency_up', { dependency: 'payment' }, (value) => value === 1)
    await told('orders', 'comanda_orders_parked_oldest_age_seconds', { waits_for: 'payment' }, (value) => value === 0)
  })

  it('tells the pools, the broker and the outboxes, and fails at none of it', async () => {
    const orders = await samples('orders')
    expect(find(orders, 'comanda_db_connections_max', { pool: 'orders' })).toBe(8)
    expect(find(orders, 'comanda_db_oldest_transaction_seconds')).toBeGreaterThanOrEqual(0)
    expect(find(orders, 'comanda_broker_up')).toBe(1)
    expect(find(orders, 'comanda_broker_messages', { queue: 'orders.parked.payment', state: 'ready' })).toBeGreaterThanOrEqual(0)
    expect(find(orders, 'comanda_orders_overdue_seconds')).toBeGreaterThanOrEqual(0)
    expect(find(orders, 'comanda_orders_dead', { reason: 'refused' })).toBe(0)
    expect(find(orders, 'comanda_orders_parked', { waits_for: 'shipping', work: 'undo' })).toBe(0)
    expect(find(await samples('payment'), 'comanda_payments_in_between_oldest_age_seconds')).toBeGreaterThanOrEqual(0)
    expect(find(await samples('shipping'), 'comanda_outbox_messages', { outbox: 'shipments' })).toBe(0)
    const failed = async (service: (typeof SERVICES)[number]) =>
      (await samples(service)).filter(({ name, value }) => name === 'comanda_metrics_failed' && value !== 0)
    // One that the database was too slow for is left out of that look only.
    for (const service of SERVICES) await until(`all metrics of ${service}`, async () => (await failed(service)).length === 0)
  })

  it('tells the result of the last audit once there was one', async () => {
    expect(find(await samples('orders'), 'comanda_audit_ok')).toBeUndefined()
    const audit = spawnSync(process.execPath, ['src/cli/main.ts', 'audit'], { env: system.env, encoding: 'utf8' })
    expect(audit.status, audit.stdout + audit.stderr).toBe(0)
    await told('orders', 'comanda_audit_ok', {}, (value) => value === 1)
    await told('orders', 'comanda_audit_violations', { promise: 'P2' }, (value) => value === 0)
  })
})
