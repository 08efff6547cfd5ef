import { afterEach, expect, it } from 'vitest'
import { parseTraceParent } from '../../src/platform/tracing.ts'
import { openTracer } from '../../src/telemetry/tracer.ts'
import { freePorts } from '../support/system.ts'
import { startCollector } from './collector.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function traced(share: number) {
  const collector = await startCollector()
  closing.push(collector.stop)
  return { collector, tracer: openTracer({ service: 'orders', endpoint: `${collector.url}/`, share }) }
}

it('sends what has ended when it stops, each span under its parent, with what was said at its end', async () => {
  const { collector, tracer } = await traced(1)
  const request = tracer.start('POST /orders', { parent: '', kind: 'server' })
  const run = tracer.start('order place', { parent: request.traceparent, kind: 'internal', attributes: { 'comanda.epoch': 2 } })
  run.end({ attributes: { 'comanda.status': 'confirmed' } })
  request.end()
  await tracer.stop(10_000)
  const [first, second] = collector.spans
  expect([first?.name, first?.parentSpanId, first?.traceId]).toEqual(['order place', second?.spanId, second?.traceId])
  expect(first?.attributes).toEqual({ 'comanda.epoch': 2, 'comanda.status': 'confirmed' })
})

it('keeps nothing of a trace that somebody decided not to keep, and passes it on all the same', async () => {
  const { collector, tracer } = await traced(1)
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'
  const span = tracer.start('POST /orders', { parent, kind: 'server' })
  expect(span.traceparent).toBe(parent)
  span.end()
  await tracer.stop(10_000)
  expect(collector.spans).toEqual([])
})

it('begins traces that are not kept, where the share says so', async () => {
  const { collector, tracer } = await traced(0)
  const span = tracer.start('POST /orders', { parent: '', kind: 'server' })
  expect(parseTraceParent(span.traceparent)?.traceFlags).toBe(0)
  span.end()
  await tracer.stop(10_000)
  expect(collector.spans).toEqual([])
})

it('throws nothing and stops in time while the collector is away', async () => {
  const [port] = await freePorts(1)
  const tracer = openTracer({ service: 'orders', endpoint: `http://127.0.0.1:${port}`, share: 1 })
  for (let i = 0; i < 20_000; i++) tracer.start('POST /orders', { parent: '', kind: 'server' }).end()
  await tracer.stop(100)
})
