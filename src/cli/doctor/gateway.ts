import { type Api, openApi, withKey } from '../api.ts'
import { oneLine } from '../failure.ts'
import { duration } from '../table.ts'
import { bad, type Finding, fine, odd } from './finding.ts'

/** The gateway first, then a finding for each service it asks on /readyz. */
export async function checkGateway(url: string): Promise<Finding[]> {
  let api: Api | undefined
  try {
    api = openApi({ url, patienceMs: 0, timeoutMs: 3_000 })
    const started = performance.now()
    const health = await api.send({ method: 'GET', path: '/healthz' })
    const took = duration(performance.now() - started)
    if (health.status !== 200)
      return [
        bad('gateway', `${url} answered ${health.status} on /healthz`, 'is it Comanda that listens there? Name its address with --url'),
      ]
    return [
      fine('gateway', `${url} answers in ${took}`),
      ...readiness(await api.send({ method: 'GET', path: '/readyz' })),
      ...access(await api.send({ method: 'GET', path: '/orders/none' })),
    ]
  } catch (error) {
    return [bad('gateway', oneLine(error), 'start the system with "npm start", or name its address with --url or COMANDA_URL')]
  } finally {
    api?.close()
  }
}

function readiness({ status, body }: { status: number; body: unknown }): Finding[] {
  const services = Object.entries((body as { services?: Record<string, unknown> } | null)?.services ?? {})
  if (services.length === 0)
    return [status === 200 ? fine('services', 'ready') : bad('services', `not ready (${status})`, 'see the log files of the services')]
  return services.map(([name, state]) => {
    const said = String(state)
    return said === 'ready'
      ? fine(name, 'ready')
      : bad(name, said, `see the log file of ${name}; "comanda serve" starts a service again by itself`)
  })
}

/** How it answers to who asks for an order that can't exist: a key that is good, or none where none is needed, is told just that. */
function access({ status, body }: { status: number; body: unknown }): Finding[] {
  if (status === 403 || status === 404)
    return [fine('access', withKey().authorization ? 'the key in COMANDA_API_KEY is taken' : 'no key is needed')]
  if (status !== 401) return []
  const { detail = 'refused' } = (body ?? {}) as { detail?: string }
  return [odd('access', detail, 'set COMANDA_API_KEY to a key that "comanda keys create" has made')]
}
