import { ClientError, type ClientMiddleware, ServerError, type ServerMiddleware, Status } from 'nice-grpc'
import type { Meter } from './metrics.ts'

/** Times every gRPC call, at the end that serves it and at the end that makes it. */

export function measureServed(meter: Meter): ServerMiddleware {
  return async function* (call, context) {
    const ended = begin(meter, 'comanda_grpc_server_duration_seconds', call.method.path)
    // Nobody may wait for the answer any more: then this ends without one, and without an error.
    let code: string = 'CANCELLED'
    try {
      const answer = yield* call.next(call.request, context)
      code = 'OK'
      return answer
    } catch (error) {
      code = codeOf(error)
      throw error
    } finally {
      ended(code)
    }
  }
}

export function measureMade(meter: Meter): ClientMiddleware {
  return async function* (call, options) {
    const ended = begin(meter, 'comanda_grpc_client_duration_seconds', call.method.path)
    let code: string = 'CANCELLED'
    try {
      const answer = yield* call.next(call.request, options)
      code = 'OK'
      return answer
    } catch (error) {
      code = codeOf(error)
      throw error
    } finally {
      ended(code)
    }
  }
}

type Durations = 'comanda_grpc_server_duration_seconds' | 'comanda_grpc_client_duration_seconds'

function begin(meter: Meter, metric: Durations, path: string): (grpc_code: string) => void {
  // /comanda.v1.OrdersService/PlaceOrders
  const [, grpc_service = '', grpc_method = ''] = path.split('/')
  const began = performance.now()
  return (grpc_code) => meter.observe(metric, { grpc_service, grpc_method, grpc_code }, (performance.now() - began) / 1_000)
}

function codeOf(error: unknown): string {
  if (error instanceof ServerError || error instanceof ClientError) return Status[error.code] ?? 'UNKNOWN'
  return (error as Error)?.name === 'AbortError' ? 'CANCELLED' : 'UNKNOWN'
}
