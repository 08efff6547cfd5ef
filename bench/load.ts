import autocannon from 'autocannon'

/** Load on a running gateway, from this process. */

export type Load = {
  url: string
  connections: number
  seconds: number
  /** Requests a second, whatever the answers take (open loop; latencies count from when a request was due). Left out: closed loop. */
  rate?: number
  request: () => { method: 'GET' | 'POST'; path: string; body?: string }
}
export type LoadResult = {
  perSecond: number
  p50: number
  p99: number
  byStatus: Record<string, number>
  errors: number
  /** Of the 503 alone, from sending to answer. */
  refusedP99: number
}

/** Closed loop: each connection sends its next request when the last was answered. Latencies in ms; the rate counts 2xx only. */
export async function load({ url, connections, seconds, rate, request }: Load): Promise<LoadResult> {
  const refusedMs: number[] = []
  const result = await autocannon({
    url,
    connections,
    duration: seconds,
    timeout: 30,
    ...(rate === undefined ? {} : { overallRate: rate }),
    setupClient: (client) =>
      void client.on('response', (status, _bytes, ms) => {
        if (status === 503) refusedMs.push(ms)
      }),
    requests: [{ setupRequest: (defaults) => ({ ...defaults, headers: { 'content-type': 'application/json' }, ...request() }) }],
  })
  const byStatus = Object.fromEntries(Object.entries(result.statusCodeStats ?? {}).map(([status, { count }]) => [status, count ?? 0]))
  return {
    perSecond: Math.round(result['2xx'] / result.duration),
    p50: result.latency.p50,
    p99: result.latency.p99,
    byStatus,
    errors: result.errors,
    refusedP99: Math.round(refusedMs.toSorted((a, b) => a - b)[Math.floor(refusedMs.length * 0.99)] ?? 0),
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
