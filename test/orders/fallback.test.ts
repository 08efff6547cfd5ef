import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { startDrain } from '../../src/orders/drain.ts'
import { openFallbackQueue } from '../../src/orders/fallback-queue.ts'
import type { Order } from '../../src/orders/order.ts'
import type { Services } from '../../src/orders/place-order.ts'
import * as store from '../../src/orders/store.ts'
import { silentLog } from '../../src/platform/log.ts'
import { done, unavailable } from '../../src/platform/outcome.ts'
import { type Database, openDatabase, sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { MemoryBroker } from '../support/memory-broker.ts'
import { scriptedServices } from './examples.ts'
import { accepted, coordinatorOn, gate, history, leasesRunOut, stored, switchboard } from './running.ts'

/** The fallback queue: orders wait in it for a service that is away, and go on by themselves. */

let database: TestDatabase
let db: Database
let other: Database
beforeAll(async () => {
  database = await testDatabase('orders')
  db = database.db
  other = openDatabase(database.url, { max: 4 })
})
afterAll(async () => {
  await other.close()
  await database.drop()
})

/** No lease runs out by itself here, on however slow a machine: who counts calls must not count takeovers. */
const LONG_LEASE_MS = 60_000
const PATIENCE = { timeout: 20_000, interval: 30 }
const allEnd = (orders: readonly Order[]) =>
  vi.waitFor(async () => {
    const ids = orders.map(({ id }) => id)
    expect(await db.query(sql`select id from orders where id = any(${ids}::uuid[]) and work is not null limit 1`)).toEqual([])
  }, PATIENCE)

/** An orders process with a broker, whose payment service is as the switchboard says. */
async function ordersOn({ on = db, broker = new MemoryBroker(), health = switchboard(), script = {} as Partial<Services> } = {}) {
  const log = silentLog()
  const services = scriptedServices({
    authorisePayment: async () => (health.isDown('payment') ? unavailable('payment is down') : done({})),
    ...script,
  })
  const queue = openFallbackQueue({ broker, log })
  const coordinator = coordinatorOn(on, services, { health, queue, leaseMs: LONG_LEASE_MS })
  const drain = await startDrain({ broker, coordinator, health, db: on, leaseMs: LONG_LEASE_MS, log })
  onTestFinished(() => drain.stop(1_000))
  return { coordinator, broker, health, services, queue }
}

async function anOrderTaken(): Promise<Order> {
  const { id } = await accepted(db)
  await store.renewLeases(db, [{ id, epoch: 1 }], LONG_LEASE_MS)
  return stored(db, id)
}
const many = (count: number) => Promise.all(Array.from({ length: count }, anOrderTaken))
const authorisations = (services: { steps(): string[] }) => services.steps().filter((step) => step === 'authorisePayment').length

describe('an order that needs a service that is away', () => {
  it('is parked in its row and in the queue, is left alone, and goes on when the service is back', async () => {
    const { coordinator, broker, health, services } = await ordersOn()
    health.down('payment')
    const order = await anOrderTaken()
    const parked = await coordinator.run(order)
    expect(parked).toMatchObject({ status: 'pending', waiting_service: 'payment', attempts: 1 })
    expect(Number(parked.due_at) - Number(parked.updated_at)).toBeGreaterThanOrEqual(10_000)
    await vi.waitFor(() =>
      expect(broker.published).toEqual([
        {
          queue: 'orders.parked.payment',
          message: { id: `${order.id}@2`, body: { order_id: order.id, version: 2, epoch: 1 }, delayMs: 0 },
        },
      ]),
    )
    expect((await broker.depth()).find(({ queue }) => queue === 'orders.parked.payment')).toMatchObject({ ready: 1, inFlight: 0 })
    health.up('payment')
    await allEnd([order])
    expect(await stored(db, order.id)).toMatchObject({ status: 'confirmed', epoch: 2, attempts: 0 })
    expect(authorisations(services)).toBe(2)
    expect(await history(db, order.id)).toEqual(['order.accepted', 'order.parked', 'order.confirmed'])
  })

  it('is answered though the broker never answers', async () => {
    const broker = new MemoryBroker()
    broker.publish = () => new Promise(() => {})
    const { coordinator, health } = await ordersOn({ broker })
    health.down('payment')
    expect(await coordinator.run(await anOrderTaken())).toMatchObject({ waiting_service: 'payment' })
  })

  it('is tried again by itself, and soon, while the broker is down', async () => {
    const { coordinator, broker, health, queue } = await ordersOn()
    health.down('payment')
    broker.takeDown()
    const first = await anOrderTaken()
    await coordinator.run(first) // nobody knows yet that the broker is down
    await vi.waitFor(() => expect(queue.isReachable()).toBe(false))
    const second = await coordinator.run(await anOrderTaken())
    expect(Number(second.due_at) - Number(second.updated_at)).toBeLessThan(1_000)
    health.up('payment')
    await allEnd([second])
    broker.bringBack()
    await leasesRunOut(db) // the first waits for its net; here it need not
    await allEnd([first])
  })
})

describe('many orders that wait', () => {
  it('go on oldest first, so many at once and no more, each once', async () => {
    let inHand = 0
    let most = 0
    const begun: string[] = []
    const health = switchboard()
    const authorisePayment = async (order: Order) => {
      if (health.isDown('payment')) return unavailable('payment is down')
      begun.push(order.id)
      most = Math.max(most, ++inHand)
      await new Promise((resolve) => setImmediate(resolve))
      inHand--
      return done({})
    }
    const { coordinator } = await ordersOn({ health, script: { authorisePayment } })
    health.down('payment')
    const orders: Order[] = []
    for (let i = 0; i < 3; i++) {
      const some = await many(100)
      await Promise.all(some.map((order) => coordinator.run(order)))
      orders.push(...some)
    }
    // The queue brings them, and not the net below it, however long all that has taken.
    await db.query(sql`update orders set due_at = now() + interval '1 hour' where waiting_service = 'payment'`)
    health.up('payment')
    await allEnd(orders)
    expect(new Set(begun).size).toBe(begun.length)
    expect(begun.length).toBe(300)
    expect(most).toBeLessThanOrEqual(128)
    const old = new Set(orders.slice(0, 100).map(({ id }) => id))
    expect(begun.slice(0, 100).every((id) => old.has(id))).toBe(true)
  }, 60_000)

  it('all end when the broker has lost every message', async () => {
    const { coordinator, broker, health } = await ordersOn()
    health.down('payment')
    const orders = await many(40)
    await Promise.all(orders.map((order) => coordinator.run(order)))
    await vi.waitFor(() => expect(broker.published.length).toBe(40))
    broker.forget()
    health.up('payment')
    await leasesRunOut(db) // the net of 10 to 20 s, drawn in at once
    await allEnd(orders)
    for (const { id } of orders) expect((await stored(db, id)).status).toBe('confirmed')
  }, 30_000)

  it('are shared by two processes, and none is run twice', async () => {
    const [broker, health] = [new MemoryBroker(), switchboard()]
    const one = await ordersOn({ broker, health })
    const two = await ordersOn({ on: other, broker, health })
    health.down('payment')
    const orders = await many(60)
    await Promise.all(orders.map((order, i) => (i % 2 ? one : two).coordinator.run(order)))
    health.up('payment')
    await allEnd(orders)
    expect(authorisations(one.services) + authorisations(two.services)).toBe(120)
  }, 30_000)
})

describe('a message', () => {
  it('that comes again changes nothing, whether its order runs, has ended or is parked anew', async () => {
    const { open, passed } = gate()
    const health = switchboard()
    const script: Partial<Services> = {
      authorisePayment: async () => (health.isDown('payment') ? unavailable('payment is down') : passed.then(() => done({}))),
    }
    const { coordinator, broker, services } = await ordersOn({ health, script })
    health.down('payment')
    const order = await anOrderTaken()
    await coordinator.run(order)
    await vi.waitFor(() => expect(broker.published.length).toBe(1))
    const again = () => broker.publish('orders.parked.payment', [broker.published[0]?.message ?? { id: '', body: null }])
    health.up('payment')
    await vi.waitFor(async () => expect((await stored(db, order.id)).epoch).toBe(2), PATIENCE)
    await again() // while it runs
    open()
    await allEnd([order])
    const before = await stored(db, order.id)
    await again() // after its end
    await vi.waitFor(async () => expect((await broker.depth())[1]).toMatchObject({ ready: 0, inFlight: 0 }))
    expect(await stored(db, order.id)).toEqual(before)
    expect(authorisations(services)).toBe(2)
  })

  it('that is none of ours lies with the dead, and holds up no other', async () => {
    const { coordinator, broker, health } = await ordersOn()
    health.down('payment')
    await broker.publish('orders.parked.payment', [
      { id: 'x', body: { order_id: 'x; drop table orders' } },
      { id: 'y', body: null },
    ])
    const order = await anOrderTaken()
    await coordinator.run(order)
    health.up('payment')
    await allEnd([order])
    await vi.waitFor(async () => expect((await broker.dead.list({ limit: 10 })).map(({ id }) => id).sort()).toEqual(['x', 'y']))
  })
})
