import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { audit } from '../../src/audit/audit.ts'
import { temporaryFolder } from '../support/folder.ts'
import { until } from '../support/until.ts'
import { type Balancer, openBalancer } from './balancer.ts'
import { order } from './shop.ts'
import { startTwoOfEach, type TwoOfEach } from './two-of-each.ts'

/** A call finds an instance again within a second of its return; a load balancer asks more often than every five. */
const DRAIN_MS = { inventory: 1_500, payment: 1_500, shipping: 1_500, orders: 1_500, gateway: 5_000 }
const CUSTOMERS = 6
/** Answered with each restart before the next comes. */
const AT_LEAST = 20

let dir: string
let system: TwoOfEach
let balancer: Balancer

beforeAll(async () => {
  dir = temporaryFolder('rolling')
  system = await startTwoOfEach(dir, DRAIN_MS)
  balancer = openBalancer(system.gateways)
  await balancer.all()
}, 180_000)
afterAll(async () => {
  await balancer?.stop()
  await system?.stop()
  rmSync(dir, { recursive: true, force: true })
}, 120_000)

const post = (body: unknown) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

/** Customers who each order, look at the order and call every third one off, one after the other, for as long as they are let. */
function openShop() {
  let isOpen = true
  const seen = { answers: 0, failed: [] as string[], placed: [] as string[], cancelled: new Set<string>() }
  const ask = async (what: string, path: string, { init, expected }: { init?: RequestInit; expected: number[] }) => {
    try {
      const answer = await balancer.fetch(path, init)
      const body = (await answer.json()) as { id: string; code?: string }
      if (expected.includes(answer.status)) {
        seen.answers++
        return body
      }
      seen.failed.push(`${what}: ${answer.status} ${body.code}`)
    } catch (error) {
      seen.failed.push(`${what}: ${(error as Error).message} (${((error as Error).cause as Error | undefined)?.message})`)
    }
    return undefined
  }
  const customer = async () => {
    for (let n = 1; isOpen; n++) {
      const placed = await ask('POST /orders', '/orders', { init: post(order({ rolling: 1 })), expected: [201, 202] })
      if (!placed) continue
      seen.placed.push(placed.id)
      await ask('GET /orders/:id', `/orders/${placed.id}`, { expected: [200] })
      if (n % 3 > 0) continue
      seen.cancelled.add(placed.id)
      await ask('POST /orders/:id/cancel', `/orders/${placed.id}/cancel`, {
        init: post({ reason: 'changed my mind' }),
        expected: [200, 202],
      })
    }
  }
  const all = Promise.all(Array.from({ length: CUSTOMERS }, customer))
  return {
    seen,
    async close() {
      isOpen = false
      await all
    },
  }
}

describe('a rolling restart of all instances, one after the other, under load', () => {
  it('fails no request, and every order ends as it was told', async () => {
    const stock = [{ location_id: 'madrid', on_hand: 100_000 }]
    const product = { id: 'rolling', name: 'Rolling', unit_price_minor: 500, currency: 'EUR', weight_grams: 10, stock }
    expect((await balancer.fetch('/products', post(product))).status).toBe(201)
    const shop = openShop()
    const enough = (what: string) => {
      const from = shop.seen.answers
      return until(`${AT_LEAST} answers ${what}`, () => shop.seen.answers >= from + AT_LEAST, 60)
    }
    for (const instance of system.instances) {
      await enough(`before the restart of ${instance.name}`)
      expect(await instance.restart(), instance.name).toBe('exit code 0')
      await balancer.all()
      expect(shop.seen.failed, `while ${instance.name} was started again`).toEqual([])
    }
    await enough('after the last restart')
    await shop.close()
    expect(shop.seen.failed).toEqual([])

    for (const id of shop.seen.placed) {
      const { status } = await until(`order ${id} to end`, async () => {
        const answer = await balancer.fetch(`/orders/${id}`)
        const body = (await answer.json()) as { status: string; waiting: unknown }
        return body.status !== 'pending' && !body.waiting && body
      })
      expect(status, id).toBe(shop.seen.cancelled.has(id) ? 'cancelled' : 'confirmed')
    }
    const report = await audit(system.databaseUrls)
    expect(report.results.filter(({ violations }) => violations > 0)).toEqual([])
  }, 400_000)
})
