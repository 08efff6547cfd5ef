import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

/**
 * An HTTP server whose handler may await. A client that leaves in the middle (a process that is stopped while it sends) ends its own request;
 * unheard it would end the whole test run as an unhandled rejection, now and then. Any other failure of the handler is still one.
 */
export function httpServer(handle: (request: IncomingMessage, response: ServerResponse) => Promise<unknown>): Server {
  return createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (!request.errored) throw error
    })
  })
}
