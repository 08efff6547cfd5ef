import { createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLog } from '../../src/platform/log.ts'
import type { Reading } from '../../src/platform/metrics.ts'
import { openMeter } from '../../src/telemetry/meter.ts'
import { serveMetrics } from '../../src/telemetry/server.ts'
import { freePorts } from '../support/system.ts'
import { until } from '../support/until.ts'
import { samplesOf } from './exposition.ts'

const overdue: Reading = { metric: 'comanda_orders_overdue_seconds', value: 7 }
const valuesIn = (text: string, name: string) => samplesOf(text).filter((sample) => sample.name === name)

describe('the meter', () => {
  it('counts and times, with the service on everything', async () => {
    const meter = openMeter('orders')
    meter.count('comanda_order_events_total', { type: 'order.accepted' })
    meter.count('comanda_order_events_total', { type: 'order.accepted' })
    meter.observe('comanda_batch_size', { batch: 'reserve stock' }, 3)
    const text = await meter.text()
    expect(valuesIn(text, 'comanda_order_events_total')).toEqual([
      { name: 'comanda_order_events_total', labels: { type: 'order.accepted', service: 'orders' }, value: 2 },
    ])
    expect(valuesIn(text, 'comanda_batch_size_sum')[0]?.value).toBe(3)
  })

  it('reads gauges when asked, and not again before their time', async () => {
    const meter = openMeter('orders')
    let reads = 0
    meter.watch('work', () => [{ ...overdue, value: ++reads }], { everyMs: 60_000 })
    expect(reads).toBe(0)
    await meter.text()
    expect(valuesIn(await meter.text(), overdue.metric)[0]?.value).toBe(1)
    expect(reads).toBe(1)
  })

  it('says nothing of what nobody knows, rather than 0', async () => {
    const meter = openMeter('gateway')
    let known: Reading[] = [overdue]
    meter.watch('work', () => known, { everyMs: 0 })
    expect(valuesIn(await meter.text(), overdue.metric)).toHaveLength(1)
    known = []
    expect(valuesIn(await meter.text(), overdue.metric)).toEqual([])
  })

  it('answers without a reading that hangs, says so, asks no second time meanwhile, and has it when it is there', async () => {
    const meter = openMeter('orders', 20)
    const hanging = Promise.withResolvers<Reading[]>()
    let reads = 0
    const read = () => {
      reads++
      return hanging.promise
    }
    meter.watch('work', read, { everyMs: 1 })
    meter.watch('audit', () => [{ metric: 'comanda_audit_ok', value: 1 }])
    for (let scrape = 0; scrape < 2; scrape++) {
      const text = await meter.text()
      expect(valuesIn(text, overdue.metric)).toEqual([])
      expect(valuesIn(text, 'comanda_audit_ok')[0]?.value).toBe(1)
      expect(valuesIn(text, 'comanda_metrics_failed').find(({ labels }) => labels.reading === 'work')?.value).toBe(1)
    }
    expect(reads).toBe(1)
    hanging.resolve([overdue])
    const text = await until('the reading to be told', async () => {
      const now = await meter.text()
      return valuesIn(now, overdue.metric).length > 0 && now
    })
    expect(valuesIn(text, 'comanda_metrics_failed').find(({ labels }) => labels.reading === 'work')?.value).toBe(0)
  })

  it.each([
    ['fails', () => Promise.reject(new Error('the database is away'))],
    ['names a metric that there is not', async () => [{ metric: 'comanda_nonsense', value: 1 }]],
    ['has other labels than its metric', async () => [{ metric: 'comanda_orders', labels: { state: 'pending' }, value: 1 }]],
  ])('leaves out a reading that %s, and says so', async (_what, read) => {
    const meter = openMeter('orders')
    meter.watch('work', read)
    const text = await meter.text()
    expect(valuesIn(text, 'comanda_metrics_failed').map(({ value }) => value)).toEqual([1])
    expect(valuesIn(text, 'comanda_orders')).toEqual([])
  })
})

describe('the page of metrics', () => {
  const stops: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
  })

  it('is at /metrics and nowhere else, and only read', async () => {
    const [port = 0] = await freePorts(1)
    stops.push(serveMetrics(openMeter('orders'), { host: '127.0.0.1', port, log: silentLog() }).stop)
    const url = `http://127.0.0.1:${port}`
    const answer = await until('the page', () => fetch(`${url}/metrics`).catch(() => undefined))
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0.0.4/)
    expect(samplesOf(await answer.text()).length).toBeGreaterThan(10)
    expect((await fetch(`${url}/`)).status).toBe(404)
    expect((await fetch(`${url}/metrics`, { method: 'POST', body: 'x' })).status).toBe(405)
  })

  it('whose port another has comes when it is free, and ends nothing meanwhile', async () => {
    const [port = 0] = await freePorts(1)
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve))
    stops.push(serveMetrics(openMeter('orders'), { host: '127.0.0.1', port, log: silentLog(), againMs: 20 }).stop)
    await new Promise((resolve) => other.close(resolve))
    const answer = await until('the page', () => fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined))
    expect(answer.ok).toBe(true)
  })
})
