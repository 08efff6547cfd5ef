import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type System, startSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { comanda, order, shop } from './shop.ts'

/** kill -9 of each service while a batch runs: every order ends, and the books agree. */
let system: System
let client: ReturnType<typeof shop>
const dir = mkdtempSync(join(tmpdir(), 'comanda-crash-'))
const ORDERS = 400

beforeAll(async () => {
  system = await startSystem({ LEASE_MS: '2000' })
  client = shop(system)
}, 90_000)

afterAll(() => system.stop(), 60_000)

describe.each(['payment', 'inventory', 'shipping', 'orders', 'gateway'])('when %s is killed in the middle of a batch', (service) => {
  it('every order ends, once, and the audit is clean', { timeout: 120_000 }, async () => {
    const product = `crash-${service}`
    await client.product(product, { madrid: ORDERS - 50, sevilla: 10 })
    const file = join(dir, `${service}.ndjson`)
    const out = join(dir, `${service}-results.ndjson`)
    const lines = Array.from({ length: ORDERS }, (_, i) => JSON.stringify(order({ [product]: 1 }, { user_id: `${service}-${i}` })))
    writeFileSync(file, lines.join('\n'))
    const batch = comanda(system, 'batch', file, '--concurrency', '16', '--out', out, '--settle', '60', '--no-progress')
    await until(
      'the first orders',
      async () => ((await client.call('GET', `/orders?user_id=${service}-20`)).body.orders as unknown[])?.length > 0,
    )
    await system.kill(service)
    const { code, out: said } = await batch
    expect(code, said).toBe(0)
    const results = readFileSync(out, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { order_id: string })
    expect(new Set(results.map((result) => result.order_id)).size).toBe(ORDERS)
    const statuses = await Promise.all(results.map(async ({ order_id }) => (await client.final(order_id)).status))
    expect(statuses.filter((status) => status === 'confirmed')).toHaveLength(ORDERS - 40)
    expect(statuses.filter((status) => status === 'rejected')).toHaveLength(40)
    const audit = await comanda(system, 'audit')
    expect(audit.code, audit.out).toBe(0)
  })
})
