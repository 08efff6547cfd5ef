import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import Table from 'cli-table3'
import { type System, startSystem } from '../test/support/system.ts'
import { fill } from './fill.ts'
import { type LoadResult, load } from './load.ts'
import { flag, option, text } from './option.ts'
import { someIds } from './scenes.ts'
import { createProducts, post, randomPair } from './shop.ts'
import { type Counters, count, ordersIn, perOrder, settle } from './store-cost.ts'
import { median, percent, ratio } from './summary.ts'

/**
 * The same work on few past orders and on many, in turns: placing, getting one, listing a page; and what PostgreSQL does for an order then.
 * Usage: npm run bench:growth [-- --orders N --rounds N --seconds N --data FOLDER --no-audit]; FOLDER keeps the many orders for the next run, which need not make them.
 */
const orders = option('orders', 1_000_000)
const rounds = option('rounds', 4)
const seconds = option('seconds', 8)
const WARM_SECONDS = 15

type Side = { system: System; stored: number; ids: string[]; results: LoadResult[][]; counted: Counters; placed: number }

const SCENES = [
  { name: 'placed, 256 connections', connections: 256, request: () => post(randomPair) },
  {
    name: 'GET of one, 64',
    connections: 64,
    request: (ids: string[]) => () => get(`/orders/${ids[Math.floor(Math.random() * ids.length)]}`),
  },
  { name: "GET of a user's page, 16", connections: 16, request: () => () => get(`/orders?user_id=u${Math.floor(Math.random() * 10_000)}`) },
]
const get = (path: string) => ({ method: 'GET' as const, path })

const systems: System[] = []
async function start(settings: NodeJS.ProcessEnv = {}): Promise<System> {
  const system = await startSystem(settings)
  systems.push(system)
  return system
}
const warmUp = ({ url }: System) => load({ url, connections: 256, seconds: WARM_SECONDS, request: post(randomPair) })

async function fewOrders(): Promise<System> {
  const system = await start()
  await createProducts(system.url)
  await warmUp(system)
  return system
}

async function manyOrders(): Promise<System> {
  const system = await start(text('data') ? { DATA_DIR: resolve(text('data')) } : {})
  const isThere = (await ordersIn(system)) >= orders
  if (!isThere) await createProducts(system.url)
  // Both sides are warmed up as often.
  await warmUp(system)
  if (isThere) return system
  await fill(system, orders, (done) => process.stderr.write(`${done.toLocaleString('en')} of ${orders.toLocaleString('en')} orders\n`))
  return system
}

async function sideOf(system: System): Promise<Side> {
  await warmUp(system)
  await settle(system, (what) => process.stderr.write(`${what}\n`))
  const [stored, ids] = [await ordersIn(system), await someIds(system)]
  return { system, stored, ids, results: SCENES.map(() => []), counted: {}, placed: 0 }
}

async function run(side: Side, at: number): Promise<void> {
  const { connections, request } = SCENES[at] as (typeof SCENES)[number]
  const before = await count(side.system)
  const result = await load({ url: side.system.url, connections, seconds, request: request(side.ids) })
  side.results[at]?.push(result)
  if (at > 0) return
  const after = await count(side.system)
  for (const [name, value] of Object.entries(after)) side.counted[name] = (side.counted[name] ?? 0) + value - (before[name] ?? 0)
  side.placed += result.perSecond * seconds
}

function report([few, many]: readonly [Side, Side]): string {
  const table = new Table({
    head: [
      'scene',
      ...[few, many].flatMap(({ stored }) => [`${stored.toLocaleString('en')} orders: /s`, 'p99 ms']),
      'many of few (middle half)',
    ],
    style: { head: [] },
  })
  for (const [at, { name }] of SCENES.entries()) {
    const [a, b] = [few.results[at] ?? [], many.results[at] ?? []]
    const part = ratio(b, a)
    const columns = [a, b].flatMap((list) => [median(list.map((one) => one.perSecond)), median(list.map((one) => one.p99))])
    table.push([name, ...columns, `${percent(part.median)} (${percent(part.low)}–${percent(part.high)})`])
  }
  const costs = new Table({ head: ['for an order placed', 'few', 'many'], style: { head: [] } })
  const [a, b] = [perOrder(few.counted, few.placed), perOrder(many.counted, many.placed)]
  for (const name of Object.keys(a)) costs.push([name, a[name], b[name]])
  return `${table.toString()}\n${costs.toString()}`
}

try {
  const many = await manyOrders()
  const sides = [await sideOf(await fewOrders()), await sideOf(many)] as const
  for (let round = 0; round < rounds; round++) {
    process.stderr.write(`round ${round + 1}/${rounds}\n`)
    for (const at of SCENES.keys()) {
      // Each is first as often as the other.
      for (const side of round % 2 ? sides.toReversed() : sides) await run(side, at)
    }
  }
  console.log(report(sides))
  if (!flag('no-audit')) {
    for (const { system } of sides) {
      const audit = spawnSync(process.execPath, ['src/cli/main.ts', 'audit'], { env: system.env, encoding: 'utf8' })
      console.log(audit.status === 0 ? audit.stdout.trim().split('\n').slice(-2).join('\n') : audit.stdout + audit.stderr)
      process.exitCode ||= audit.status ?? 1
    }
  }
} finally {
  await Promise.all(systems.map((system) => system.stop()))
}
