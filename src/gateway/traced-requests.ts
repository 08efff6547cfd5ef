import { type Span, tracer } from '../platform/tracing.ts'
import type { App } from './dependencies.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Of this request's span; empty while traces are off. */
    traceparent: string
  }
}

/** Asked every few seconds by machines. */
const NOT_TRACED = new Set(['/healthz', '/readyz'])

/** A span for each request, in the trace of whoever sent it, if it says so (`traceparent`). */
export function traceRequests(app: App): void {
  app.decorateRequest('traceparent', '')
  const to = tracer()
  if (!to) return
  const spans = new WeakMap<object, Span>()
  app.addHook('onRequest', (request, reply, next) => {
    const { method, headers, routeOptions } = request
    const route = routeOptions.url ?? 'none'
    if (NOT_TRACED.has(route)) return next()
    const parent = typeof headers.traceparent === 'string' ? headers.traceparent : ''
    const attributes = { 'http.request.method': method, 'http.route': route, 'comanda.request_id': request.id }
    const span = to.start(`${method} ${route}`, { parent, kind: 'server', attributes })
    spans.set(request, span)
    request.traceparent = span.traceparent
    // Not at the answer only: the client may have gone.
    reply.raw.once('close', () => {
      const code = reply.raw.headersSent ? reply.statusCode : 499
      span.end({ isError: code >= 500, attributes: { 'http.response.status_code': code } })
    })
    next()
  })
}
