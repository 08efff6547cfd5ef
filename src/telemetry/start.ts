import type { Config, ServiceName } from '../platform/config.ts'
import type { Log } from '../platform/log.ts'
import { turnMetricsOn } from '../platform/metrics.ts'
import { openMeter } from './meter.ts'
import { type MetricsServer, serveMetrics } from './server.ts'

/** Turns metrics on for this process. Loaded only when they are wanted. */
export function startMetrics(names: readonly ServiceName[], { host, port }: Config['metrics'] & { port: number }, log: Log): MetricsServer {
  const meter = openMeter(names.join('+'))
  turnMetricsOn(meter)
  return serveMetrics(meter, { host, port, log })
}
