import { spawnSync } from 'node:child_process'
import Table from 'cli-table3'
import { startSystem } from '../test/support/system.ts'
import { fill } from './fill.ts'
import { type LoadResult, load } from './load.ts'
import { flag, option } from './option.ts'
import { someIds } from './scenes.ts'
import { createProducts, post, randomPair } from './shop.ts'
import { median } from './summary.ts'

/**
 * The same work on ever more past orders: placing, getting one, listing a page. Usage: npm run bench:growth [-- --orders N --rounds N --seconds N --no-audit]
 */
const orders = option('orders', 1_000_000)
const rounds = option('rounds', 3)
const seconds = option('seconds', 8)
const WARM_SECONDS = 15

const system = await startSystem()
const { url } = system
const table = new Table({
  head: ['orders stored', 'placed/s, 256', 'p99 ms', 'GET one/s, 64', 'p99 ms', 'GET page/s, 16', 'p99 ms'],
  style: { head: [] },
})

async function measure(stored: number): Promise<void> {
  const ids = await someIds(system)
  const scenes = [
    { connections: 256, request: post(randomPair) },
    { connections: 64, request: () => ({ method: 'GET' as const, path: `/orders/${ids[Math.floor(Math.random() * ids.length)]}` }) },
    { connections: 16, request: () => ({ method: 'GET' as const, path: `/orders?user_id=u${Math.floor(Math.random() * 10_000)}` }) },
  ]
  const results: LoadResult[][] = scenes.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [at, scene] of scenes.entries()) results[at]?.push(await load({ url, seconds, ...scene }))
  }
  const columns = results.flatMap((list) => [median(list.map((one) => one.perSecond)), median(list.map((one) => one.p99))])
  table.push([stored.toLocaleString('en'), ...columns])
}

try {
  await createProducts(url)
  const warm = await load({ url, connections: 256, seconds: WARM_SECONDS, request: post(randomPair) })
  await measure(warm.perSecond * WARM_SECONDS)
  const stored = await fill(system, orders, (done) =>
    process.stderr.write(`${done.toLocaleString('en')} of ${orders.toLocaleString('en')} orders\n`),
  )
  await load({ url, connections: 256, seconds: WARM_SECONDS, request: post(randomPair) })
  await measure(stored)
  console.log(table.toString())
  if (!flag('no-audit')) {
    const audit = spawnSync(process.execPath, ['src/cli/main.ts', 'audit'], { env: system.env, encoding: 'utf8' })
    console.log(audit.status === 0 ? audit.stdout.trim().split('\n').slice(-2).join('\n') : audit.stdout)
    process.exitCode = audit.status ?? 1
  }
} finally {
  await system.stop()
}
