import { createServer, type ServerResponse } from 'node:http'
import type { Log } from '../platform/log.ts'
import type { PrometheusMeter } from './meter.ts'

/** The page that Prometheus reads, on a port of its own: never on that of the API. */

/** Nothing that takes orders stands or falls with this port: while another has it, it is tried again. */
const AGAIN_MS = 5_000
/** Longer than between two scrapes, so that none is sent into a connection that is just being closed. */
const KEEP_ALIVE_MS = 75_000

export type MetricsServer = { stop(): Promise<void> }
type MetricsOptions = { host: string; port: number; log: Log; againMs?: number }

export function serveMetrics(meter: PrometheusMeter, { host, port, log, againMs = AGAIN_MS }: MetricsOptions): MetricsServer {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    request.resume()
    const path = request.url?.split('?')[0]
    if (path !== '/metrics') return send(response, { status: 404, text: 'the metrics are at /metrics\n' })
    if (request.method !== 'GET') return send(response, { status: 405, text: 'only GET\n' })
    meter.text().then(
      (text) => send(response, { status: 200, type: meter.contentType, text }),
      (error: Error) => {
        log.error({ err: error }, 'the metrics could not be told')
        send(response, { status: 500, text: 'the metrics could not be told; the log has it\n' })
      },
    )
  })
  let timer: NodeJS.Timeout | undefined
  const listen = () => server.listen(port, host)
  server.on('listening', () => log.info({ address: `http://${host}:${port}/metrics` }, 'metrics'))
  server.on('error', (error) => {
    log.error({ error: error.message }, `metrics can't be told on ${host}:${port} (METRICS_HOST, METRICS_PORT); trying again`)
    timer = setTimeout(listen, againMs).unref()
  })
  listen()
  // A scrape is no reason to keep a process.
  server.unref()
  return {
    async stop() {
      clearTimeout(timer)
      if (!server.listening) return
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

function send(
  response: ServerResponse,
  { status, type = 'text/plain; charset=utf-8', text }: { status: number; type?: string; text: string },
): void {
  response.writeHead(status, { 'content-type': type }).end(text)
}
