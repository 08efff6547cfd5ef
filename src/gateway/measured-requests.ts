import { meter } from '../platform/metrics.ts'
import type { App } from './dependencies.ts'

/** The status that nginx gives to a request whose client has gone. */
const CLIENT_HAS_GONE = 499

/** Times every request by its route, never by its path: ids must not become labels. Does nothing while metrics are off. */
export function measureRequests(app: App): void {
  const to = meter()
  if (!to) return
  const began = new WeakMap<object, number>()
  let inFlight = 0
  const ended = (request: Parameters<typeof routeOf>[0], code: number) => {
    const at = began.get(request)
    // Once: a client may go away at the very end.
    if (at === undefined || !began.delete(request)) return
    inFlight--
    const labels = { method: request.method, route: routeOf(request), code: String(code) }
    to.observe('comanda_http_request_duration_seconds', labels, (performance.now() - at) / 1_000)
  }
  app.addHook('onRequest', (request, _reply, next) => {
    began.set(request, performance.now())
    inFlight++
    next()
  })
  app.addHook('onResponse', (request, reply, next) => {
    ended(request, reply.statusCode)
    next()
  })
  app.addHook('onRequestAbort', (request, next) => {
    ended(request, CLIENT_HAS_GONE)
    next()
  })
  to.watch('requests in flight', () => [{ metric: 'comanda_http_requests_in_flight', value: inFlight }], { everyMs: 0 })
}

const routeOf = (request: { method: string; routeOptions: { url?: string | undefined } }) => request.routeOptions.url ?? 'none'
