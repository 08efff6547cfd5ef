import { spawnSync } from 'node:child_process'
import Table from 'cli-table3'
import { startSystem } from '../test/support/system.ts'
import { load } from './load.ts'
import { type OpenLoopResult, openLoop, percentile } from './open-loop.ts'
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
    head: ['orders a second sent', 'placed/s', 'of the peak', 'p50 ms', 'p99 ms', 'refused', 'p50 ms', 'p99 ms', 'no answer'],
    style: { head: [] },
  })
  table.push(['closed loop, 256 connections', peak.perSecond, '100%', peak.p50, peak.p99])
  for (const share of SHARES) {
    const rate = Math.round(peak.perSecond * share)
    process.stderr.write(`${share * 100}% of capacity: ${rate} orders/s\n`)
    table.push(row(`${share * 100}%: ${rate}`, peak.perSecond, await openLoop({ url, seconds, rate, body: () => request().body })))
  }
  console.log(table.toString())
  const audit = spawnSync(process.execPath, ['src/cli/main.ts', 'audit'], { env: system.env, encoding: 'utf8' })
  console.log(audit.stdout.trim().split('\n').slice(-2).join('\n'))
  process.exitCode = audit.status ?? 1
} finally {
  await system.stop()
}

function row(name: string, peak: number, { byStatus, unanswered, seconds: took }: OpenLoopResult) {
  const placed = [201, 202].flatMap((status) => byStatus.get(status) ?? [])
  const refused = byStatus.get(503) ?? []
  const rate = placed.length / took
  const share = `${Math.round((100 * rate) / peak)}%`
  const late = (ms: number[]) => (ms.length === 0 ? ['', ''] : [percentile(ms, 0.5), percentile(ms, 0.99)])
  return [name, Math.round(rate), share, ...late(placed), refused.length, ...late(refused), unanswered]
}
