import { OWNERS, type OwnerName } from '../../platform/config.ts'
import { newId } from '../../platform/ids.ts'
import type { App, GatewayDependencies } from '../dependencies.ts'
import { doneOrThrow, Problem } from '../errors.ts'
import type { FaultDesk, ServiceFault } from '../faults.ts'
import { FaultBody, FaultsQuery } from '../schemas.ts'
import { ClearedView, FaultsView, FaultView } from '../view-schemas.ts'

const tags = ['faults']
const config = { scope: 'ops', problems: ['faults_off'] } as const
/** Long enough to look at, short enough to be forgotten. */
const FOR_MS = 30_000

/** Only with COMANDA_FAULTS=on; docs/FAULTS.md. */
export function faultRoutes(app: App, { faults }: GatewayDependencies): void {
  const list = { summary: 'Faults on purpose that are set now', tags, querystring: FaultsQuery, response: { 200: FaultsView } }
  app.get('/faults', { schema: list, config }, async (request) => {
    const { found, unreachable } = await desk(faults).list(chosen(request.query.service))
    return { faults: found.map(faultView), unreachable }
  })

  const set = { summary: 'Make a service fail on purpose, for a while', tags, body: FaultBody, response: { 201: FaultView } }
  const problems = ['faults_off', 'too_many_faults'] as const
  app.post('/faults', { schema: set, config: { scope: 'ops', problems } }, async (request, reply) => {
    const { service, kind, method = '', rate = 1, for_ms: forMs = FOR_MS, latency_ms: latencyMs = 0, count = 0 } = request.body
    const command = { faultId: newId(), kind, method, rate, latencyMs, count, forMs }
    const fault = doneOrThrow(await desk(faults).set(service as OwnerName, command))
    return reply.code(201).send(faultView(fault))
  })

  const clear = {
    summary: 'Clear all faults on purpose, or those of a service',
    tags,
    querystring: FaultsQuery,
    response: { 200: ClearedView },
  }
  app.delete('/faults', { schema: clear, config }, async (request) => {
    const { found, unreachable } = await desk(faults).clear(chosen(request.query.service))
    return { cleared: found.reduce((sum, cleared) => sum + cleared, 0), unreachable }
  })
}

function desk(faults: FaultDesk | undefined): FaultDesk {
  if (faults) return faults
  throw new Problem('faults_off', 'faults on purpose are off; COMANDA_FAULTS=on turns them on, outside production')
}

const chosen = (service: string | undefined): readonly OwnerName[] => (service ? [service as OwnerName] : OWNERS)

function faultView({ faultId, service, kind, method, rate, latencyMs, count, struck, endsInMs }: ServiceFault) {
  return {
    ...{ id: faultId, service, kind, method: method || null, rate, latency_ms: kind === 'latency' ? latencyMs : null },
    ...{ count: count || null, struck, ends_in_ms: endsInMs },
  }
}
