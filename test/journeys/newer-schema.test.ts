import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { OWNERS } from '../../src/platform/config.ts'
import { embeddedUrls } from '../../src/platform/embedded-postgres.ts'
import { migrate } from '../../src/platform/migrate.ts'
import { temporaryFolder } from '../support/folder.ts'
import { type System, startSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { comanda, shop } from './shop.ts'

/** The next version's migrations come while this version takes orders: processes that know nothing of them go on, and start again on the newer schema. */

let system: System
let dir: string
beforeAll(async () => {
  system = await startSystem()
  dir = temporaryFolder('newer')
}, 120_000)
afterAll(async () => {
  await system?.stop()
  rmSync(dir, { recursive: true, force: true })
}, 60_000)

/** What CONTRIBUTING.md allows: columns with a default, and without; an index; a table. On the tables that every order writes. */
const NEXT: Record<(typeof OWNERS)[number], string> = {
  orders: `alter table orders add column tax_minor bigint not null default 0 check (tax_minor >= 0), add column note text;
           create index orders_by_status on orders (status, id); create table notes (id uuid primary key);`,
  inventory: `alter table reservations add column shelf text; alter table movements add column shelf text not null default '';`,
  payment: `alter table payments add column wallet text not null default ''; alter table money_movements add column note text;`,
  shipping: `alter table shipments add column drone boolean not null default false; alter table order_shipments add column note text;`,
}
const CUSTOMERS = 4
const AT_LEAST = 10

it('no request fails while the schema changes under running processes, and they start again on it', async () => {
  const { product, place, final, call } = shop(system)
  await product('next', { north: 100_000 })
  let isOpen = true
  const placed: string[] = []
  const failed: string[] = []
  const customer = async () => {
    while (isOpen) {
      const { status, body } = await place({ next: 1 })
      if (status !== 201 && status !== 202) failed.push(`${status} ${body.code}`)
      else {
        for (const path of [
          `/orders/${body.id}`,
          `/orders/${body.id}/events`,
          `/payments/${body.id}`,
          `/shipments/${body.id}-1`,
          '/orders?limit=2',
          '/products/next',
        ]) {
          const seen = await call('GET', path)
          if (seen.status !== 200) failed.push(`GET ${path.split('/')[1]}: ${seen.status} ${seen.body.code}`)
        }
        placed.push(body.id)
      }
    }
  }
  const customers = Promise.all(Array.from({ length: CUSTOMERS }, customer))
  const someMore = async () => {
    const target = placed.length + AT_LEAST
    while (placed.length < target && failed.length === 0) await call('GET', '/readyz')
  }
  try {
    await someMore()
    const urls = (await embeddedUrls(system.env.DATA_DIR ?? '')) ?? {}
    for (const owner of OWNERS) {
      const folder = join(dir, owner)
      mkdirSync(folder)
      writeFileSync(join(folder, '9001_next.sql'), NEXT[owner])
      expect(await migrate(urls[owner] ?? '', folder)).toEqual(['9001_next.sql'])
      await someMore()
    }
  } finally {
    isOpen = false
    await customers
  }
  expect(failed).toEqual([])
  for (const id of placed) expect((await final(id)).status).toBe('confirmed')

  // A roll-back to this version is the same thing: its processes start on a schema that is newer than they are.
  for (const service of OWNERS) await system.kill(service)
  const body = await until('orders to be taken again', async () => {
    const reply = await place({ next: 1 }, {}, { 'idempotency-key': 'after-the-restart' })
    return [200, 201, 202].includes(reply.status) ? reply.body : undefined
  })
  expect((await final(body.id)).status).toBe('confirmed')
  expect(await call('POST', `/shipments/${body.id}-1/dispatch`)).toMatchObject({ status: 200 })
  const audit = await comanda(system, 'audit')
  expect(audit.code, audit.out).toBe(0)
}, 300_000)
