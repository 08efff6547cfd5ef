import { spawnSync } from 'node:child_process'
import Table from 'cli-table3'
import { startSystem } from '../test/support/system.ts'
import { type LoadResult, load } from './load.ts'
import { option } from './option.ts'
import { createProducts, post, randomPair } from './shop.ts'

/**
 * More orders than can be placed: orders come at shares of the capacity, whatever the answers take. What counts is how many are placed (goodput), how
 * long they and the refusals take, and whether all is as before at once afterwards. Usage: npm run bench:overload [-- --seconds N --warm-up N]
 */
const seconds = option('seconds', 10)
const warmUp = option('warm-up', 20)
const SHARES = [0.5, 0.8, 1, 3, 10, 0.8]

const system = await startSystem()
const { url } = system
try {
  await createProducts(url)
  const request = post(randomPair)
  await load({ url, connections: 256, seconds: warmUp, request })
  const peak = await load({ url, connections: 256, seconds, request })
  const table = new Table({
    head: ['orders a second sent', 'placed/s', 'of the peak', 'p50 ms', 'p99 ms', 'refusals p99 ms', 'answers'],
    style: { head: [] },
  })
  const row = (name: string, result: LoadResult) => {
    const answers = Object.entries(result.byStatus).map(([status, count]) => `${status}: ${count}`)
    const share = `${Math.round((100 * result.perSecond) / peak.perSecond)}%`
    table.push([name, result.perSecond, share, result.p50, result.p99, result.refusedP99 || '', answers.join(' ')])
  }
  row('closed loop, 256 connections', peak)
  for (const share of SHARES) {
    const rate = Math.round(peak.perSecond * share)
    process.stderr.write(`${share * 100}% of capacity: ${rate} orders/s\n`)
    // Enough that a connection is free when an order is due, also when each takes two seconds.
    row(`${share * 100}%: ${rate}`, await load({ url, connections: Math.min(4_000, Math.max(64, rate * 2)), seconds, rate, request }))
  }
  console.log(table.toString())
  const audit = spawnSync(process.execPath, ['src/cli/main.ts', 'audit'], { env: system.env, encoding: 'utf8' })
  console.log(audit.stdout.trim().split('\n').slice(-2).join('\n'))
  process.exitCode = audit.status ?? 1
} finally {
  await system.stop()
}
