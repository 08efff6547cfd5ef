import { spawnSync } from 'node:child_process'
import autocannon from 'autocannon'
import Table from 'cli-table3'
import { startSystem } from '../test/support/system.ts'
import { load } from './load.ts'
import { flag, option } from './option.ts'
import { createProducts, post, randomPair } from './shop.ts'

/**
 * Payment stops while customers order: how fast the orders are taken (202), and how soon after its return all have ended.
 * Usage: npm run bench:outage [-- --orders N --connections N --warm-up N --freeze]
 * --freeze: its process is frozen (SIGSTOP), so that calls hang, instead of refusing them.
 */
const orders = option('orders', 2_000)
const connections = option('connections', 16)
const warmUp = option('warm-up', 15)
const frozen = flag('freeze')

const system = await startSystem()
const { url } = system
const call = async (method: string, path: string, body?: unknown) => {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer.json()
}
const pid = () => system.pids().payment ?? 0
const stopPayment = () =>
  frozen ? process.kill(pid(), 'SIGSTOP') : call('POST', '/faults', { service: 'payment', kind: 'unavailable', for_ms: 600_000 })
const resumePayment = () => (frozen ? process.kill(pid(), 'SIGCONT') : call('DELETE', '/faults?service=payment'))
const waiting = async () => ((await call('GET', '/orders?status=pending&limit=1')) as { orders: unknown[] }).orders.length

try {
  await createProducts(url)
  await load({ url, connections: 256, seconds: warmUp, request: post(randomPair) })
  const normal = await load({ url, connections, seconds: 8, request: post(randomPair) })
  await stopPayment()
  const down = await autocannon({
    url,
    connections,
    amount: orders,
    timeout: 30,
    requests: [{ setupRequest: (defaults) => ({ ...defaults, headers: { 'content-type': 'application/json' }, ...post(randomPair)() }) }],
  })
  const back = performance.now()
  await resumePayment()
  while ((await waiting()) > 0) await new Promise((resolve) => setTimeout(resolve, 100))
  const drainSeconds = (performance.now() - back) / 1_000
  const answers = Object.entries(down.statusCodeStats ?? {}).map(([status, { count }]) => `${status}: ${count}`)
  const table = new Table({
    head: [`${connections} connections`, 'orders/s', 'p50 ms', 'p99 ms', 'most ms', 'answers'],
    style: { head: [] },
  })
  table.push(['all is well', normal.perSecond, normal.p50, normal.p99, '', ''])
  const { latency } = down
  table.push([
    `payment ${frozen ? 'is frozen' : 'refuses'}`,
    Math.round(down['2xx'] / down.duration),
    latency.p50,
    latency.p99,
    latency.max,
    answers.join(' '),
  ])
  table.push([`back: all have ended after ${drainSeconds.toFixed(1)} s`, Math.round(orders / drainSeconds), '', '', '', ''])
  console.log(table.toString())
  const audit = spawnSync(process.execPath, ['src/cli/main.ts', 'audit'], { env: system.env, encoding: 'utf8' })
  console.log(audit.stdout.trim().split('\n').slice(-2).join('\n'))
  process.exitCode = audit.status ?? 1
} finally {
  await system.stop()
}
