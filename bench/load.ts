import autocannon from 'autocannon'

/** Load on a running gateway, from this process. */

export type Load = {
  url: string
  connections: number
  seconds: number
  request: () => { method: 'GET' | 'POST'; path: string; body?: string }
}
export type LoadResult = {
  perSecond: number
  p50: number
  p99: number
  byStatus: Record<string, number>
  errors: number
}

/** Closed loop: each connection sends its next request when the last was answered. Latencies in ms; the rate counts 2xx only. */
export async function load({ url, connections, seconds, request }: Load): Promise<LoadResult> {
  const result = await autocannon({
    url,
    connections,
    duration: seconds,
    timeout: 30,
    requests: [{ setupRequest: (defaults) => ({ ...defaults, headers: { 'content-type': 'application/json' }, ...request() }) }],
  })
  const byStatus = Object.fromEntries(Object.entries(result.statusCodeStats ?? {}).map(([status, { count }]) => [status, count ?? 0]))
  return {
    perSecond: Math.round(result['2xx'] / result.duration),
    p50: result.latency.p50,
    p99: result.latency.p99,
    byStatus,
    errors: result.errors,
  }
}

export function orderBody(productIds: [string, string]): string {
  return JSON.stringify({
    user_id: `u${Math.floor(Math.random() * 10_000)}`,
    items: [
      { product_id: productIds[0], quantity: 2 },
      { product_id: productIds[1], quantity: 1 },
    ],
    payment_method: 'credit_card',
  })
}
