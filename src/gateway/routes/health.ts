import { Type } from 'typebox'
import type { App, GatewayDependencies } from '../dependencies.ts'
import { ReadyView } from '../view-schemas.ts'

const tags = ['health']
const config = { scope: 'open' } as const

export function healthRoutes(app: App, { clients, drain }: GatewayDependencies): void {
  const healthz = { summary: 'The gateway is up', tags, response: { 200: Type.Object({ status: Type.String() }) } }
  app.get('/healthz', { schema: healthz, config }, async () => ({ status: 'ok' }))

  // Ready means that orders can be taken: of the others the answer only tells, for orders wait for them.
  const readyz = { summary: 'Orders can be taken; and how each service is', tags, response: { 200: ReadyView, 503: ReadyView } }
  app.get('/readyz', { schema: readyz, config }, async (_request, reply) => {
    const services = await clients.health()
    const ready = services.orders === 'ready' && !drain?.hasBegun()
    return reply.code(ready ? 200 : 503).send({ ready, services })
  })
}
