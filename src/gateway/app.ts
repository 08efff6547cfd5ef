import helmet from '@fastify/helmet'
import swagger from '@fastify/swagger'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import swaggerUi from '@fastify/swagger-ui'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type RawServerDefault } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { newId } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import type { Clients } from './clients.ts'
import { asProblem, Problem, sendProblem } from './errors.ts'
import { errorRoutes } from './routes/errors.ts'
import { healthRoutes } from './routes/health.ts'
import { orderRoutes } from './routes/orders.ts'
import { paymentRoutes } from './routes/payments.ts'
import { productRoutes } from './routes/products.ts'
import { shipmentRoutes } from './routes/shipments.ts'

export type App = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>
export type GatewayDependencies = { clients: Clients; waitMs: number; log: Log }

const BODY_LIMIT = 64 * 1024
const DESCRIPTION = 'Takes orders, reserves the stock, takes the money and ships. Money is in minor units (cents) with a currency; times are ISO 8601; errors are problem+json.'

/** The REST gateway, ready to listen or to be injected into. */
export async function buildGateway(dependencies: GatewayDependencies): Promise<App> {
  const { log } = dependencies
  const app = Fastify({
    logger: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: 15_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 65_000,
    routerOptions: { maxParamLength: 200 },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    forceCloseConnections: 'idle',
    genReqId: (request) => saneRequestId(request.headers['x-request-id']) ?? newId(),
    // Nothing is bent into shape: a number in quotes is a wrong number, an unknown field is an error.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: true, verbose: true } },
    frameworkErrors: (error, request, reply) => void sendProblem(request, reply, asProblem(error)),
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.server.headersTimeout = 10_000

  const served: { method: string; pattern: RegExp }[] = []
  app.addHook('onRoute', ({ method, url }) => {
    const pattern = new RegExp(`^${url.replace(/:[^/]+/g, '[^/]+').replace('*', '.*')}$`)
    for (const one of [method].flat()) served.push({ method: one, pattern })
  })
  app.addHook('onSend', async (request, reply) => void reply.header('x-request-id', request.id))
  app.setErrorHandler((error, request, reply) => {
    const problem = asProblem(error)
    if (problem.code === 'internal_error') log.error({ request_id: request.id, err: error }, 'request failed')
    return sendProblem(request, reply, problem)
  })
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? ''
    const allow = [...new Set(served.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))]
    const problem = allow.length > 0 ? new Problem('method_not_allowed', `this path takes ${allow.join(', ')}`, { allow }) : new Problem('not_found', 'there is nothing at this path')
    return sendProblem(request, reply, problem)
  })

  await app.register(helmet, { contentSecurityPolicy: false, crossOriginEmbedderPolicy: false })
  await app.register(swagger, { openapi: { openapi: '3.1.0', info: { title: 'Comanda', version: '0.1.0', description: DESCRIPTION } } })
  await app.register(async (scope) => {
    const routes = scope as unknown as App
    orderRoutes(routes, dependencies)
    productRoutes(routes, dependencies)
    shipmentRoutes(routes, dependencies)
    paymentRoutes(routes, dependencies)
    healthRoutes(routes, dependencies)
    errorRoutes(routes)
  })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  await app.register(swaggerUi, { routePrefix: '/docs' })
  return app as unknown as App
}

function saneRequestId(given: string | string[] | undefined): string | undefined {
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : undefined
}
