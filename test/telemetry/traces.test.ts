import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseTraceParent } from '../../src/platform/tracing.ts'
import { type System, startSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { type Collector, type Sent, startCollector } from './collector.ts'

let collector: Collector
let system: System

beforeAll(async () => {
  collector = await startCollector()
  system = await startSystem({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_TRACES_SAMPLER_ARG: '1' })
  // Busy with its start it may refuse the first.
  await until('orders to be let in', async () => (await send('/orders', { body: '{}' })).status === 400)
}, 120_000)
afterAll(async () => {
  await system?.stop()
  await collector?.stop()
}, 60_000)

const newTrace = () => randomBytes(16).toString('hex')
const CALLER = '00f067aa0ba902b7'
const [SERVER, CLIENT] = [2, 3]

const send = (path: string, { method = 'POST', type = 'application/json', body = '', ...headers }: Record<string, string> = {}) =>
  fetch(system.url + path, { method, headers: { 'content-type': type, ...headers }, ...(body !== '' && { body }) })
const anOrder = JSON.stringify({ user_id: 'u1', items: [{ product_id: 'a1', quantity: 1 }], payment_method: 'credit_card' })

/** The spans of a trace, once there are such as are looked for. */
const traceWith = (traceId: string, isThere: (spans: Sent[]) => boolean) =>
  until(`the spans of ${traceId}`, () => {
    const spans = collector.spans.filter((span) => span.traceId === traceId)
    return isThere(spans) && spans
  })
const named = (spans: Sent[], name: string, kind?: number) => spans.filter((span) => span.name === name && (!kind || span.kind === kind))

describe('the trace of an order', () => {
  it('goes on from the client’s through gateway, orders and the other services, each span under the one that it comes from', async () => {
    const trace = newTrace()
    const answer = await send('/orders', { body: anOrder, traceparent: `00-${trace}-${CALLER}-01` })
    const { id } = (await answer.json()) as { id: string }
    expect(answer.status).toBe(201)
    const create = 'comanda.v1.ShippingService/CreateShipments'
    const isWhole = (spans: Sent[]) =>
      named(spans, 'order place').length > 0 &&
      ['comanda.v1.InventoryService/ReserveStock', 'comanda.v1.PaymentService/AuthorizePayments', create].every(
        (method) => named(spans, method, SERVER).length > 0,
      ) &&
      named(spans, 'comanda.v1.OrdersService/PlaceOrders', SERVER).length > 0 &&
      named(spans, 'POST /orders').length > 0 &&
      named(spans, create, CLIENT).length > 0
    const spans = await traceWith(trace, isWhole)
    const one = (name: string, kind?: number) => {
      expect(named(spans, name, kind), name).toHaveLength(1)
      return named(spans, name, kind)[0] as Sent
    }
    const request = one('POST /orders')
    expect([request.service, request.parentSpanId, request.attributes['http.response.status_code']]).toEqual(['gateway', CALLER, 201])
    const asked = one('comanda.v1.OrdersService/PlaceOrders', CLIENT)
    const taken = one('comanda.v1.OrdersService/PlaceOrders', SERVER)
    expect([asked.parentSpanId, taken.parentSpanId]).toEqual([request.spanId, asked.spanId])
    const run = one('order place')
    expect([run.service, run.parentSpanId, run.attributes['comanda.status']]).toEqual(['orders', taken.spanId, 'confirmed'])
    for (const [service, method] of [
      ['inventory', 'comanda.v1.InventoryService/ReserveStock'],
      ['payment', 'comanda.v1.PaymentService/AuthorizePayments'],
      ['shipping', create],
    ] as const) {
      const [made, served] = [one(method, CLIENT), one(method, SERVER)]
      expect([made.service, made.parentSpanId, served.service, served.parentSpanId]).toEqual(['orders', run.spanId, service, made.spanId])
      expect([served.attributes['comanda.order_id'], served.attributes['comanda.outcome']]).toEqual([id, 'done'])
    }
    // What was written for it, and who was asked outside, under the call that it was for.
    for (const [within, name, service, kind] of [
      [taken, 'orders query', 'orders', CLIENT],
      [run, 'orders query', 'orders', CLIENT],
      [one('comanda.v1.InventoryService/ReserveStock', SERVER), 'inventory transaction', 'inventory', CLIENT],
      [one('comanda.v1.PaymentService/AuthorizePayments', SERVER), 'payment query', 'payment', CLIENT],
      [one('comanda.v1.PaymentService/AuthorizePayments', SERVER), 'provider authorise', 'payment', CLIENT],
      [one(create, SERVER), 'shipping query', 'shipping', CLIENT],
      [one(create, SERVER), 'carrier book', 'shipping', CLIENT],
    ] as const) {
      const found = named(spans, name, kind).filter((span) => span.parentSpanId === within.spanId)
      expect(found.length, `${name} under ${within.name}`).toBeGreaterThan(0)
      expect(new Set(found.map((span) => span.service)), name).toEqual(new Set([service]))
    }
  })

  it('is the same after it was parked and orders was killed meanwhile', async () => {
    await send('/faults', { body: JSON.stringify({ service: 'payment', kind: 'unavailable', for_ms: 600_000 }) })
    const trace = newTrace()
    const parked = await until('an order to wait', async () => {
      const answer = await send('/orders', { body: anOrder, traceparent: `00-${trace}-${CALLER}-01` })
      return answer.status === 202 && ((await answer.json()) as { id: string })
    })
    await traceWith(
      trace,
      (spans) =>
        named(spans, 'order place').some((run) => run.attributes['comanda.waits_for'] === 'payment') &&
        named(spans, 'orders.parked.payment publish').length > 0,
    )
    await system.kill('orders')
    await send('/faults', { method: 'DELETE' })
    await until('the order to be confirmed', async () => {
      const answer = await fetch(`${system.url}/orders/${parked.id}`).catch(() => undefined)
      return answer?.ok && ((await answer.json()) as { status: string }).status === 'confirmed'
    })
    const spans = await traceWith(trace, (all) => named(all, 'order place').some((run) => run.attributes['comanda.status'] === 'confirmed'))
    expect(named(spans, 'order place').length).toBeGreaterThan(1)
    // Told to the broker by the run that had to wait.
    const told = named(spans, 'orders.parked.payment publish')[0]
    expect(named(spans, 'order place').map((run) => run.spanId)).toContain(told?.parentSpanId)
  })

  it('is of its own for each line of an upload, with a link to the upload’s', async () => {
    const trace = newTrace()
    const lines = `${anOrder}\n${anOrder}\n`
    const answer = await send('/orders/bulk', { type: 'application/x-ndjson', body: lines, traceparent: `00-${trace}-${CALLER}-01` })
    expect((await answer.text()).trim().split('\n')).toHaveLength(2)
    const linked = await until('the spans of the lines', () => {
      const found = collector.spans.filter((span) => span.links.includes(trace))
      return found.length === 2 && found
    })
    const traces = new Set(linked.map((span) => span.traceId))
    expect([traces.size, traces.has(trace)]).toEqual([2, false])
  })

  it('stands in the log of every service that worked on it', async () => {
    const trace = newTrace()
    await send('/orders', { body: anOrder, traceparent: `00-${trace}-${CALLER}-01` })
    for (const service of ['gateway', 'orders', 'inventory', 'payment', 'shipping'])
      await until(`the trace in the log of ${service}`, () =>
        readFileSync(join(system.env.LOG_DIR ?? '', `${service}.log`), 'utf8').includes(`"trace_id":"${trace}"`),
      )
  })
})

it.each([
  ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 1],
  ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00', 0],
  // A later version may say more at its end.
  ['cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes', 1],
  ['ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', undefined],
  ['00-00000000000000000000000000000000-b7ad6b7169203331-01', undefined],
  ['00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01', undefined],
  ['00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01', undefined],
  ['', undefined],
  ['anything', undefined],
])('a traceparent %j is read as the standard says', (text, flags) => expect(parseTraceParent(text)?.traceFlags).toBe(flags))
