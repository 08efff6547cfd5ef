import { spawnSync } from 'node:child_process'
import { startSystem } from '../test/support/system.ts'
import { percentile } from './open-loop.ts'
import { option } from './option.ts'

/**
 * Ten thousand want one of a thousand: exactly a thousand get one, all others are told that there is none left.
 * Usage: npm run bench:flash-sale [-- --buyers N --units N --connections N]
 */
const buyers = option('buyers', 10_000)
const units = option('units', 1_000)
const connections = option('connections', 256)

const system = await startSystem()
const { url } = system
const headers = { 'content-type': 'application/json' }
const send = (path: string, body: object) => fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })

try {
  const shoe = { id: 'sneaker', name: 'Sneaker', unit_price_minor: 9_900, currency: 'EUR', weight_grams: 900 }
  await send('/products', { ...shoe, stock: [{ location_id: 'madrid', on_hand: units }] })
  const answers = new Map<string, number[]>()
  let next = 0
  const hand = async () => {
    for (let buyer = next++; buyer < buyers; buyer = next++) {
      const began = performance.now()
      const reply = await send('/orders', {
        user_id: `buyer-${buyer}`,
        items: [{ product_id: 'sneaker', quantity: 1 }],
        payment_method: 'credit_card',
      })
      const { code, status } = (await reply.json()) as { code?: string; status: string }
      const answer = code ?? status
      answers.set(answer, answers.get(answer) ?? [])
      answers.get(answer)?.push(performance.now() - began)
    }
  }
  const began = performance.now()
  await Promise.all(Array.from({ length: connections }, hand))
  const took = (performance.now() - began) / 1_000
  console.log(
    `${buyers} buyers, ${units} units, ${connections} connections: ${took.toFixed(1)} s, ${Math.round(buyers / took)} answers a second`,
  )
  for (const [answer, ms] of answers) console.log(`${answer}: ${ms.length}, p50 ${percentile(ms, 0.5)} ms, p99 ${percentile(ms, 0.99)} ms`)
  const audit = spawnSync(process.execPath, ['src/cli/main.ts', 'audit'], { env: system.env, encoding: 'utf8' })
  console.log(audit.stdout.trim().split('\n').slice(-2).join('\n'))
  process.exitCode = answers.get('confirmed')?.length === Math.min(buyers, units) ? (audit.status ?? 1) : 1
} finally {
  await system.stop()
}
