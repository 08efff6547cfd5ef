import { spawnSync } from 'node:child_process'
import type { System } from '../test/support/system.ts'
import { type LoadResult, load, orderBody } from './load.ts'
import { percentile } from './open-loop.ts'
import { hotPair, PRODUCTS, post, randomPair } from './shop.ts'

/** What is measured, one after the other, in each round. */
export type Scene = { name: string; run(seconds: number): Promise<LoadResult> }
export type Urls = { comanda: string; unbatched: string; transaction: string; procedure: string; database: string }

export function scenes(urls: Urls, ids: () => string[]): Scene[] {
  const orders = (name: string, url: string, connections: number, pair: () => [string, string]): Scene => ({
    name,
    run: (seconds) => load({ url, connections, seconds, request: post(pair) }),
  })
  const pgbench = hasPgbench() ? [{ name: '(b) stored procedure by pgbench: random, 32', run: pgbenchRun(urls.database) }] : []
  return [
    ...[1, 16, 64, 256].map((connections) => orders(`Comanda: random, ${connections}`, urls.comanda, connections, randomPair)),
    ...[64, 256].map((connections) => orders(`Comanda: hot pair, ${connections}`, urls.comanda, connections, hotPair)),
    { name: 'Comanda: in bulk', run: (seconds) => bulk(urls.comanda, seconds) },
    ...[1, 64, 256].map((connections) => orders(`(a) monolith: random, ${connections}`, urls.transaction, connections, randomPair)),
    orders('(a) monolith: hot pair, 64', urls.transaction, 64, hotPair),
    orders('(b) stored procedure by Fastify: random, 64', urls.procedure, 64, randomPair),
    orders('(b) stored procedure by Fastify: hot pair, 64', urls.procedure, 64, hotPair),
    ...pgbench,
    orders('(c) Comanda without batches: random, 64', urls.unbatched, 64, randomPair),
    {
      name: 'Comanda: GET /orders/{id}, 64',
      run: (seconds) =>
        load({ url: urls.comanda, connections: 64, seconds, request: () => ({ method: 'GET', path: `/orders/${anyOf(ids())}` }) }),
    },
  ]
}

const anyOf = (list: string[]) => list[Math.floor(Math.random() * list.length)]

/** More would only wait in buffers. */
const UNANSWERED = 1_024

/** One request to POST /orders/bulk for so long; latencies are of lines, from being handed to the socket to the answer. */
async function bulk(url: string, seconds: number): Promise<LoadResult> {
  const until = performance.now() + seconds * 1_000
  const sentAt: number[] = []
  const took: number[] = []
  let roomAgain = () => {}
  const lines = new ReadableStream<Uint8Array>({
    async pull(controller) {
      while (sentAt.length - took.length >= UNANSWERED) {
        await new Promise<void>((resolve) => {
          roomAgain = resolve
        })
      }
      if (performance.now() > until) return controller.close()
      sentAt.push(performance.now())
      controller.enqueue(Buffer.from(`${orderBody(randomPair())}\n`))
    },
  })
  const began = performance.now()
  const reply = await fetch(`${url}/orders/bulk`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines,
    duplex: 'half',
  } as RequestInit)
  const byStatus: Record<string, number> = {}
  let rest = ''
  for await (const chunk of (reply.body as ReadableStream<Uint8Array>).pipeThrough(
    new TextDecoderStream() as never,
  ) as unknown as AsyncIterable<string>) {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      const { line, status } = JSON.parse(part) as { line: number; status: number }
      byStatus[status] = (byStatus[status] ?? 0) + 1
      took.push(performance.now() - (sentAt[line - 1] ?? 0))
    }
    roomAgain()
  }
  const ended = byStatus[201] ?? 0
  const perSecond = Math.round((ended * 1_000) / (performance.now() - began))
  return { perSecond, p50: percentile(took, 0.5), p99: percentile(took, 0.99), byStatus, errors: 0 }
}

const hasPgbench = () => spawnSync('pgbench', ['--version']).status === 0

/** The procedure with nothing in front of it: PostgreSQL's own load generator, 32 clients. */
function pgbenchRun(database: string): Scene['run'] {
  const last = PRODUCTS - 1
  const script = `\\set a random(0, ${last - 1})
\\set b random(:a + 1, ${last})
select place_order(gen_random_uuid(), 'u1', 'credit_card', array['bench-' || :a, 'bench-' || :b], array[2, 1]::bigint[]);
`
  return async (seconds) => {
    const { stdout, stderr, status } = spawnSync(
      'pgbench',
      ['-n', '-M', 'prepared', '-c', '32', '-j', '1', '-T', String(seconds), '-f', '-', database],
      {
        input: script,
        encoding: 'utf8',
      },
    )
    if (status !== 0) throw new Error(`pgbench ended with ${status}: ${stderr}`)
    const perSecond = Math.round(Number(/tps = ([\d.]+)/.exec(stdout)?.[1]))
    const latency = Math.round(Number(/latency average = ([\d.]+)/.exec(stdout)?.[1]))
    return { perSecond, p50: latency, p99: Number.NaN, byStatus: {}, errors: 0 }
  }
}

/** Ids that can be asked for. */
export async function someIds(system: System): Promise<string[]> {
  const page = (await (await fetch(`${system.url}/orders?limit=200`)).json()) as { orders: { id: string }[] }
  return page.orders.map((order) => order.id)
}
