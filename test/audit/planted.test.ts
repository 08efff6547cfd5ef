import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { audit } from '../../src/audit/audit.ts'
import { checks } from '../../src/audit/checks.ts'
import type { Urls } from '../../src/audit/sessions.ts'
import { OWNERS, type OwnerName } from '../../src/platform/config.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { execute, type Ids, makeHistory, spoilable } from './history.ts'
import { moneyPlants } from './money-plants.ts'
import { orderPlants } from './order-plants.ts'
import { shipmentPlants } from './shipment-plants.ts'
import { stockPlants } from './stock-plants.ts'

/** A check that never fails proves nothing: each is seen failing, alone or with exactly those that must see the same. */
const plants = [...orderPlants, ...stockPlants, ...moneyPlants, ...shipmentPlants]
let databases: TestDatabase[]
let urls: Urls
let ids: Ids

beforeAll(async () => {
  databases = await Promise.all(OWNERS.map(testDatabase))
  urls = Object.fromEntries(OWNERS.map((owner, i) => [owner, databases[i]?.url])) as Urls
  ids = await makeHistory(urls)
}, 90_000)

afterAll(() => Promise.all(databases.map((database) => database.drop())))

const idsOf = (results: { id: string; violations: number }[]) =>
  results
    .filter((result) => result.violations > 0)
    .map((result) => result.id)
    .sort()

describe('the audit', () => {
  it('holds on the history that the violations are planted in', async () => {
    expect(idsOf((await audit(urls)).results)).toEqual([])
  })

  it('is content with an order that lies on the dead-letter desk, and says nothing of what that order still holds', async () => {
    const spoilt = await spoilable(urls, ['orders'])
    try {
      await execute(
        spoilt.urls.orders,
        `update orders set work = 'undo', due_at = 'infinity', waiting_service = 'payment', waiting_reason = 'refused', waiting_since = now(), attempts = 10,
           dead_at = now(), dead_reason = 'refused' where id = '${ids.cancelled}';
         insert into order_events (order_id, type, data) values ('${ids.cancelled}', 'order.dead', '{"why": "refused"}')`,
      )
      expect(idsOf((await audit(spoilt.urls, { waitMs: 0 })).results)).toEqual([])
    } finally {
      await spoilt.drop()
    }
  })

  it('is content with movements that were folded, all or some', async () => {
    const spoilt = await spoilable(urls, ['inventory'])
    const looked = async () => {
      const { results } = await audit(spoilt.urls)
      return [idsOf(results), results.find(({ id }) => id === 'I08')?.examined ?? 0] as const
    }
    const long = `interval '100 days'`
    try {
      const [, before] = await looked()
      await execute(
        spoilt.urls.inventory,
        `update reservations set updated_at = now() - ${long}; alter table movements disable trigger all; update movements set at = now() - ${long}; alter table movements enable trigger all`,
      )
      const pages = [5, 7, 1_000].map((limit) => `select * from fold_movements(interval '30 days', 0, ${limit})`)
      const left: number[] = []
      for (const page of pages) {
        await execute(spoilt.urls.inventory, page)
        const [broken, examined] = await looked()
        expect(broken).toEqual([])
        left.push(examined)
      }
      expect(left[0]).toBeLessThanOrEqual(before)
      expect(left.at(-1)).toBeLessThan(before)
    } finally {
      await spoilt.drop()
    }
  })

  it.each(plants)('sees that $what ($breaks)', async ({ breaks, sql }) => {
    const statements = sql(ids)
    const spoilt = await spoilable(urls, Object.keys(statements) as OwnerName[])
    try {
      for (const [owner, text] of Object.entries(statements)) await execute(spoilt.urls[owner as OwnerName], text)
      const report = await audit(spoilt.urls, { waitMs: 0 })
      expect(idsOf(report.results)).toEqual([...breaks].sort())
      expect(report.ok).toBe(false)
      for (const result of report.results.filter(({ violations }) => violations > 0)) expect(result.examples.length).toBeGreaterThan(0)
    } finally {
      await spoilt.drop()
    }
  })

  it('has a violation planted for every check', () => {
    const planted = new Set(plants.map((plant) => plant.breaks[0]))
    expect(checks.map((check) => check.id).filter((id) => !planted.has(id))).toEqual([])
  })
})
