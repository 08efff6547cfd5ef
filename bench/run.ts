import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'
import Table from 'cli-table3'
import { startSystem } from '../test/support/system.ts'
import { type LoadResult, load } from './load.ts'
import { startMonolith } from './monolith.ts'
import { option } from './option.ts'
import { createProducts, hotPair, PRODUCTS, post, randomPair } from './shop.ts'

/**
 * The speed of the real system: all services as processes, everything durable, load from this process on the same machine.
 * Beside it the hand-written monolith, on the same PostgreSQL. Usage: npm run bench [-- --rounds N --seconds N --warm-up N]
 */
const rounds = option('rounds', 3)
const seconds = option('seconds', 10)
const warmUp = option('warm-up', 20)

const system = await startSystem()
const { url } = system
const monolith = await startMonolith(system, PRODUCTS)
let ids: string[] = []
async function someIds() {
  const page = (await (await fetch(`${url}/orders?limit=200`)).json()) as { orders: { id: string }[] }
  ids = page.orders.map((order) => order.id)
}

type Scene = { name: string; connections: number; request: () => { method: 'GET' | 'POST'; path: string; body?: string }; url?: string }
const scenes: Scene[] = [
  { name: 'POST random, 64 connections', connections: 64, request: post(randomPair) },
  { name: 'POST hot pair, 64 connections', connections: 64, request: post(hotPair) },
  { name: 'POST random, 256 connections', connections: 256, request: post(randomPair) },
  { name: 'POST hot pair, 256 connections', connections: 256, request: post(hotPair) },
  { name: 'monolith: POST random, 64 connections', connections: 64, request: post(randomPair), url: monolith.url },
  { name: 'monolith: POST hot pair, 64 connections', connections: 64, request: post(hotPair), url: monolith.url },
  { name: 'POST random, 1 connection', connections: 1, request: post(randomPair) },
  { name: 'monolith: POST random, 1 connection', connections: 1, request: post(randomPair), url: monolith.url },
  {
    name: 'GET /orders/{id}, 64 connections',
    connections: 64,
    request: () => ({ method: 'GET', path: `/orders/${ids[Math.floor(Math.random() * ids.length)]}` }),
  },
]

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0

try {
  await createProducts(url)
  // Warm: V8 compiles for tens of thousands of orders, and tables should hold past orders.
  await load({ url, connections: 256, seconds: warmUp, request: post(randomPair) })
  await load({ url: monolith.url, connections: 64, seconds: 5, request: post(randomPair) })
  await someIds()
  const results = new Map<string, LoadResult[]>(scenes.map((scene) => [scene.name, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const scene of scenes) {
      process.stderr.write(`round ${round}/${rounds}: ${scene.name}\n`)
      results.get(scene.name)?.push(await load({ url: scene.url ?? url, connections: scene.connections, seconds, request: scene.request }))
    }
  }
  console.log(
    `\n${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.version}, ${rounds} interleaved rounds of ${seconds} s\n`,
  )
  const table = new Table({ head: ['scene', '2xx/s, median (range)', 'p50 ms', 'p99 ms', 'answers', 'errors'], style: { head: [] } })
  for (const [name, list] of results) {
    const rates = list.map((result) => result.perSecond)
    const answers: Record<string, number> = {}
    for (const result of list)
      for (const [status, count] of Object.entries(result.byStatus)) answers[status] = (answers[status] ?? 0) + count
    table.push([
      name,
      `${median([...rates])} (${Math.min(...rates)}–${Math.max(...rates)})`,
      median(list.map((result) => result.p50)),
      median(list.map((result) => result.p99)),
      Object.entries(answers)
        .map(([status, count]) => `${status}: ${count}`)
        .join(' '),
      list.reduce((sum, result) => sum + result.errors, 0),
    ])
  }
  console.log(table.toString())
  console.log('memory in MB:', JSON.stringify(system.memoryMb()))
  const audit = spawnSync(process.execPath, ['src/cli/main.ts', 'audit'], { env: system.env, stdio: 'inherit' })
  process.exitCode = audit.status ?? 1
} finally {
  monolith.stop()
  await system.stop()
}
