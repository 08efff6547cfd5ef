import type { Server } from 'node:http'
import helmet from '@fastify/helmet'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify from 'fastify'
import { newId } from '../platform/ids.ts'
import { keepGate, scopeOf } from './access/gate.ts'
import { admission } from './admission.ts'
import { closedDoor } from './closed-door.ts'
import type { App, GatewayDependencies } from './dependencies.ts'
import { answerBrokenHttp, asProblem, Problem, sendProblem } from './errors.ts'
import { measureRequests } from './measured-requests.ts'
import { openApi, type Served } from './openapi.ts'
import { bulkRoutes } from './routes/bulk.ts'
import { erasureRoutes } from './routes/erasures.ts'
import { errorRoutes } from './routes/errors.ts'
import { faultRoutes } from './routes/faults.ts'
import { healthRoutes } from './routes/health.ts'
import { orderRoutes } from './routes/orders.ts'
import { paymentRoutes } from './routes/payments.ts'
import { productRoutes } from './routes/products.ts'
import { queueRoutes } from './routes/queue.ts'
import { reconciliationRoutes, releaseRoute } from './routes/reconciliations.ts'
import { shipmentRoutes } from './routes/shipments.ts'
import { traceRequests } from './traced-requests.ts'
import { waitingRoom } from './wait.ts'

const BODY_LIMIT = 64 * 1024
const HEADERS_MS = 10_000
const BODY_MS = 15_000
/** The API answers with data only; the page at /docs has a policy of its own. */
const API_POLICY = { useDefaults: false, directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] } }
const DOCS_POLICY = {
  'default-src': ["'self'"],
  'style-src': ["'self'", "'unsafe-inline'"],
  'img-src': ["'self'", 'data:'],
  'object-src': ["'none'"],
}

/** The REST gateway, ready to listen or to be injected into. */
export async function buildGateway(dependencies: GatewayDependencies): Promise<App> {
  const { log, drain, access = { docsAreOpen: true } } = dependencies
  const app = Fastify({
    logger: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: 0, // a body in bulk may take hours; for all others see slowBodies
    connectionTimeout: 60_000,
    keepAliveTimeout: 65_000,
    routerOptions: { maxParamLength: 200 },
    // Node looks for connections that take too long every 30 s, unless told otherwise.
    http: { headersTimeout: HEADERS_MS, connectionsCheckingInterval: 1_000 },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    genReqId: (request) => saneRequestId(request.headers['x-request-id']) ?? newId(),
    // Nothing is bent into shape: a number in quotes is a wrong number, an unknown field is an error.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: true, verbose: true } },
    frameworkErrors: (error, request, reply) => void sendProblem(request, reply, asProblem(error)),
    clientErrorHandler: answerBrokenHttp,
  }).withTypeProvider<TypeBoxTypeProvider>()
  readJsonOnly(app as unknown as App)

  const served: Served[] = []
  app.addHook('onRoute', (route) => {
    const { method, url } = route
    const scope = scopeOf({ url, scope: route.config?.scope })
    route.config = { ...route.config, scope }
    for (const one of [method].flat()) served.push({ method: one, url, scope, problems: route.config.problems ?? [] })
  })
  app.addHook('onRequest', (request, reply, next) => {
    reply.header('x-request-id', request.id)
    if (drain?.hasBegun()) reply.header('connection', 'close')
    next()
  })
  measureRequests(app as unknown as App)
  traceRequests(app as unknown as App)
  keepGate(app as unknown as App, { ...access, log })
  closedDoor(app as unknown as App, dependencies.takeOrders)
  admission(app as unknown as App, { orders: dependencies.ordersAtOnce, lagMs: dependencies.lagMs })
  cutSlowBodies(app as unknown as App)
  app.setErrorHandler((error, request, reply) => {
    const problem = asProblem(error)
    if (problem.code === 'internal_error') log.error({ request_id: request.id, err: error }, 'request failed')
    return sendProblem(request, reply, problem)
  })
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, noSuchRoute(served, request.method, request.url)))

  const room = waitingRoom()
  app.addHook('preClose', async () => {
    room.close()
    closeWhatGoesIdle(app.server)
  })

  await app.register(helmet, { contentSecurityPolicy: API_POLICY, crossOriginEmbedderPolicy: false, strictTransportSecurity: false })
  await app.register(swagger, openApi(served, access))
  await app.register(async (scope) => {
    const routes = scope as unknown as App
    orderRoutes(routes, { ...dependencies, room })
    queueRoutes(routes, dependencies)
    bulkRoutes(routes, { ...dependencies, room })
    productRoutes(routes, dependencies)
    shipmentRoutes(routes, dependencies)
    paymentRoutes(routes, dependencies)
    reconciliationRoutes(routes, dependencies)
    releaseRoute(routes, dependencies)
    erasureRoutes(routes, dependencies)
    healthRoutes(routes, dependencies)
    faultRoutes(routes, dependencies)
    errorRoutes(routes)
  })
  app.get('/openapi.json', { schema: { hide: true }, config: { scope: 'docs' } }, async () => app.swagger())
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: DOCS_POLICY })
  return app as unknown as App
}

/** A body that does not come in is no reason to wait for ever. */
function cutSlowBodies(app: App): void {
  app.addHook('onRequest', (request, _reply, next) => {
    const { headers } = request
    const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
    if (hasBody && !request.routeOptions.config.streams) {
      const timer = setTimeout(() => {
        if (!request.raw.complete) answerBrokenHttp(Object.assign(new Error(), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), request.raw.socket)
      }, BODY_MS)
      for (const event of ['end', 'close']) request.raw.once(event, () => clearTimeout(timer))
    }
    next()
  })
}

/** Node closes the connections that are idle when the server closes; those that answer a last request would stay for a keep-alive. */
function closeWhatGoesIdle(server: Server): void {
  if (!server.listening) return
  const timer = setInterval(() => server.closeIdleConnections(), 50)
  server.once('close', () => clearInterval(timer))
}

function saneRequestId(given: string | string[] | undefined): string | undefined {
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : undefined
}

/** Bodies are JSON. An empty one is no body, also when a client says that it is JSON: commands like dispatch take none. */
function readJsonOnly(app: App): void {
  app.removeAllContentTypeParsers()
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined)
    parse(request, body as string, (error, value) => {
      done(error ? new Problem('invalid_json', 'the body is not valid JSON, or has a field __proto__ or constructor') : null, value)
    })
  })
}

/** 405 where another method would do, else 404. */
function noSuchRoute(served: readonly Served[], method: string, url: string): Problem {
  const path = url.split('?')[0] ?? ''
  const fits = (pattern: string) =>
    new RegExp(
      `^${pattern
        .replace(/[.]/g, '\\.')
        .replace(/:[^/]+/g, '[^/]+')
        .replace('*', '.*')}$`,
    ).test(path)
  const allow = [...new Set(served.filter((route) => fits(route.url)).map((route) => route.method))]
  if (allow.length === 0 || allow.includes(method)) return new Problem('not_found', 'there is nothing at this path')
  return new Problem('method_not_allowed', `this path takes ${allow.join(', ')}`, { allow })
}
