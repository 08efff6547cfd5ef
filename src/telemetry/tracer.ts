import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } from '@opentelemetry/sdk-trace'
import { parseTraceParent, type Tracer } from '../platform/tracing.ts'
import { version } from '../platform/version.ts'

/** Traces to an OpenTelemetry collector over OTLP/HTTP, in the background. A collector that is slow or away costs spans, never orders. */
export type OtlpTracer = Tracer & { /** Sends what is left, waiting up to `ms`. */ stop(ms: number): Promise<void> }

type Options = {
  /** What this process runs. */
  service: string
  /** Of the collector, such as http://127.0.0.1:4318. */
  endpoint: string
  /** Of traces that begin here; where one comes in, whoever began it has decided. */
  share: number
}

const KINDS = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  internal: SpanKind.INTERNAL,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const
/** Beyond these spans are dropped: some seconds of a busy process. */
const MOST_WAITING = 8_192
const EXPORT_MS = 5_000

export function openTracer({ service, endpoint, share }: Options): OtlpTracer {
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces`, timeoutMillis: EXPORT_MS })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.namespace': 'comanda',
      'service.name': service,
      'service.version': version,
      'process.pid': process.pid,
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
    spanProcessors: [new BatchSpanProcessor({ exporter, maxQueueSize: MOST_WAITING, exportTimeoutMillis: EXPORT_MS })],
  })
  const otel = provider.getTracer('comanda')
  return {
    start(name, { parent, kind, attributes = {}, link = '', since }) {
      const [from, linked] = [parseTraceParent(parent), parseTraceParent(link)]
      // Decided at its beginning: nothing of it is kept, so nothing is made (a tenth of the time).
      if (from?.traceFlags === 0) return { traceparent: parent, end: () => {} }
      const context = from ? trace.setSpanContext(ROOT_CONTEXT, { ...from, isRemote: true }) : ROOT_CONTEXT
      const links = linked ? [{ context: linked }] : []
      const span = otel.startSpan(name, { kind: KINDS[kind], attributes, links, ...(since && { startTime: since }) }, context)
      const { traceId, spanId, traceFlags } = span.spanContext()
      return {
        traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
        end({ isError = false, attributes: more = {} } = {}) {
          span.setAttributes(more)
          if (isError) span.setStatus({ code: SpanStatusCode.ERROR })
          span.end()
        },
      }
    },
    async stop(ms) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, ms)
      })
      await Promise.race([provider.shutdown().catch(() => {}), late])
      clearTimeout(timer)
    },
  }
}
