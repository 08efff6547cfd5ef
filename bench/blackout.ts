import { spawnSync } from 'node:child_process'
import { startSystem } from '../test/support/system.ts'
import { option } from './option.ts'
import { createProducts, post, randomPair } from './shop.ts'

/**
 * kill -9 of everything at once (supervisor, services, PostgreSQL) in the middle of many orders. After the restart every answered order must be
 * there; the ones that got no answer are sent again with their keys. Usage: npm run bench:blackout [-- --orders N --connections N]
 */
const orders = option('orders', 5_000)
const connections = option('connections', 64)

const system = await startSystem()
const { url } = system
const answered = new Map<string, string>()
const bodies = Array.from({ length: orders }, () => post(randomPair)().body)
let dead = false

async function place(n: number): Promise<void> {
  const answer = await fetch(`${url}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': `blackout-${n}` },
    body: bodies[n] ?? '',
  })
  const { id } = (await answer.json()) as { id: string }
  if (answer.status === 201 || answer.status === 202) answered.set(`blackout-${n}`, id)
}

async function placeAll(numbers: number[]): Promise<void> {
  const queue = [...numbers]
  const hand = async () => {
    for (let n = queue.shift(); n !== undefined && !dead; n = queue.shift()) await place(n).catch(() => {})
  }
  await Promise.all(Array.from({ length: connections }, hand))
}
const withoutAnswer = () => bodies.map((_body, n) => n).filter((n) => !answered.has(`blackout-${n}`))

try {
  await createProducts(url)
  const sending = placeAll(withoutAnswer())
  while (answered.size < orders / 2) await new Promise((resolve) => setTimeout(resolve, 5))
  await system.killEverything()
  dead = true
  await sending
  const before = [...answered.values()]
  const began = performance.now()
  await system.startAgain()
  const readySeconds = (performance.now() - began) / 1_000
  const lost = []
  for (const id of before) if ((await fetch(`${url}/orders/${id}`)).status !== 200) lost.push(id)
  dead = false
  const again = withoutAnswer().length
  while (withoutAnswer().length > 0) await placeAll(withoutAnswer())
  while (((await (await fetch(`${url}/orders?status=pending&limit=1`)).json()) as { orders: unknown[] }).orders.length > 0) {
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  console.log(`${orders} orders; everything killed after ${before.length} answers; ready again after ${readySeconds.toFixed(1)} s`)
  console.log(`${lost.length} answered orders lost; ${again} without an answer sent again with their keys`)
  const audit = spawnSync(process.execPath, ['src/cli/main.ts', 'audit'], { env: system.env, encoding: 'utf8' })
  console.log(audit.stdout.trim().split('\n').slice(-2).join('\n'))
  process.exitCode = lost.length > 0 || new Set(answered.values()).size !== orders ? 1 : (audit.status ?? 1)
} finally {
  await system.stop()
}
