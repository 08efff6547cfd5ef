import type { FastifyRequest } from 'fastify'
import { isLoopback } from '../../platform/exposure.ts'
import type { App } from '../dependencies.ts'
import { Problem } from '../errors.ts'

/**
 * Where nobody is asked for a key, a browser on this machine would lend any page its hands. A page whose name was made to mean 127.0.0.1 (DNS rebinding) shows
 * itself by its Host, one of another site by its Origin.
 */
export function refuseForeignPages(app: App): void {
  app.addHook('onRequest', (request, _reply, next) => next(foreign(request)))
}

function foreign({ headers: { host = '', origin } }: FastifyRequest): Problem | undefined {
  // Without one, as HTTP/1.0 may, it is no browser.
  if (host !== '' && !isLoopback(nameIn(`http://${host}`)))
    return new Problem('foreign_page', 'without keys the gateway is reached by a loopback address only (Host), such as 127.0.0.1')
  if (origin !== undefined && origin !== `http://${host}`)
    return new Problem('foreign_page', 'without keys no page of another site may send requests (Origin)')
  return undefined
}

const nameIn = (url: string): string => (URL.canParse(url) ? new URL(url).hostname : '')
