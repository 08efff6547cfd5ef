import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { METRICS, type Meter, type MetricName, type Reading } from '../platform/metrics.ts'

/** The meter with prom-client behind it, and its text for Prometheus. */
export type PrometheusMeter = Meter & { contentType: string; text(): Promise<string> }

/** A reading that takes longer is left out: a database that hangs must not hang the scrape. */
const READ_MS = 2_000
/** Whoever scrapes more often gets what was read last. */
const EVERY_MS = 5_000

type Watched = {
  read: () => Reading[] | Promise<Reading[]>
  everyMs: number
  readAt: number
  last: Reading[] | undefined
  reading?: Promise<void>
}

/** @param service what this process runs: a label of everything it tells. */
export function openMeter(service: string, readMs = READ_MS): PrometheusMeter {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  collectDefaultMetrics({ register: registry })
  const { counters, histograms, gauges } = makeAll(registry)
  const withoutLabels = [...gauges].filter(([name]) => METRICS[name as MetricName].labels.length === 0).map(([, gauge]) => gauge)
  const watched = new Map<string, Watched>()
  let writing: Promise<string> | undefined

  const write = async (): Promise<string> => {
    await Promise.all([...watched.values()].map((one) => refresh(one, readMs)))
    // Whoever does not know must not say 0.
    for (const gauge of gauges.values()) gauge.reset()
    for (const gauge of withoutLabels) gauge.remove()
    for (const [reading, { last, everyMs }] of watched) {
      if (everyMs > 0) gauges.get('comanda_metrics_failed')?.set({ reading }, last ? 0 : 1)
      for (const { metric, labels = {}, value } of last ?? []) gauges.get(metric)?.set(labels, value)
    }
    return registry.metrics()
  }
  return {
    contentType: registry.contentType,
    count: (metric, labels, by = 1) => counters.get(metric)?.inc(labels, by),
    observe: (metric, labels, value) => histograms.get(metric)?.observe(labels, value),
    watch(reading, read, { everyMs = EVERY_MS } = {}) {
      const one = { read, everyMs, readAt: Number.NEGATIVE_INFINITY, last: undefined }
      watched.set(reading, one)
      return () => {
        if (watched.get(reading) === one) watched.delete(reading)
      }
    },
    // Two that ask at once get the same.
    text() {
      writing ??= write().finally(() => {
        writing = undefined
      })
      return writing
    },
  }
}

/** Reads again when the last reading is old and none is under way; waits for it no longer than `readMs`. Never throws. */
async function refresh(one: Watched, readMs: number): Promise<void> {
  if (performance.now() - one.readAt < one.everyMs) return
  if (!one.reading) {
    one.reading = (async () => {
      try {
        const readings = await one.read()
        one.last = readings.filter(isKnown)
      } catch {
        one.last = undefined
      }
      one.readAt = performance.now()
    })().finally(() => delete one.reading)
  }
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), readMs)
  })
  if ((await Promise.race([one.reading, late])) === 'late') one.last = undefined
  clearTimeout(timer)
}

const isKnown = ({ metric, labels = {}, value }: Reading): boolean => {
  if (!(metric in METRICS)) throw new Error(`there is no metric ${metric}`)
  const names: readonly string[] = METRICS[metric as MetricName].labels
  const given = Object.keys(labels)
  if (given.length !== names.length || !given.every((label) => names.includes(label)))
    throw new Error(`${metric} has the labels ${names.join(', ')}`)
  return Number.isFinite(value)
}

function makeAll(registry: Registry) {
  const counters = new Map<string, Counter>()
  const histograms = new Map<string, Histogram>()
  const gauges = new Map<string, Gauge>()
  for (const [name, metric] of Object.entries(METRICS)) {
    const configuration = { name, help: metric.meaning, labelNames: [...metric.labels], registers: [registry] }
    if (metric.kind === 'counter') counters.set(name, new Counter(configuration))
    else if (metric.kind === 'gauge') gauges.set(name, new Gauge(configuration))
    else histograms.set(name, new Histogram({ ...configuration, buckets: [...metric.buckets] }))
  }
  return { counters, histograms, gauges }
}
