import type { Config, ServiceName } from '../platform/config.ts'
import type { Log } from '../platform/log.ts'
import { turnMetricsOn } from '../platform/metrics.ts'
import { turnTracesOn } from '../platform/tracing.ts'

/** What this process tells of itself, as far as it is asked to. Libraries are loaded only when they are wanted. */
export type Telemetry = { stop(): Promise<void> }

const LAST_SPANS_MS = 2_000

/** Before the services are made, which ask then whether they are to be measured and traced. */
export async function startTelemetry(names: readonly ServiceName[], { metrics, traces }: Pick<Config, 'metrics' | 'traces'>, log: Log) {
  const service = names.join('+')
  const stops: (() => Promise<void>)[] = []
  const { host, port } = metrics
  if (port !== undefined) {
    const [{ openMeter }, { serveMetrics }] = await Promise.all([import('./meter.ts'), import('./server.ts')])
    const meter = openMeter(service)
    turnMetricsOn(meter)
    stops.push(serveMetrics(meter, { host, port, log }).stop)
  }
  if (traces.endpoint !== '') {
    const { openTracer } = await import('./tracer.ts')
    const tracer = openTracer({ service, ...traces })
    turnTracesOn(tracer)
    stops.push(() => tracer.stop(LAST_SPANS_MS))
    log.info({ share: traces.share }, 'traces')
  }
  return { stop: async () => void (await Promise.all(stops.map((stop) => stop()))) } satisfies Telemetry
}
