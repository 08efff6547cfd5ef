import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { startInbox } from '../../src/orders/inbox.ts'
import type { Order } from '../../src/orders/order.ts'
import type { Services } from '../../src/orders/place-order.ts'
import { recordFacts } from '../../src/orders/record.ts'
import { newId } from '../../src/platform/ids.ts'
import { silentLog } from '../../src/platform/log.ts'
import { done, unknown } from '../../src/platform/outcome.ts'
import { type Database, sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { MemoryBroker } from '../support/memory-broker.ts'
import { scriptedServices } from './examples.ts'
import { accepted, coordinatorOn, gate, history, LEASE_MS, stored } from './running.ts'

/** What the other services tell orders over the broker: repeats, late comers and odd ones do no harm. */

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await testDatabase('orders')
  db = database.db
})
afterAll(() => database.drop())

const PATIENCE = { timeout: 20_000, interval: 30 }

async function ordersOn(script: Partial<Services> = {}) {
  const [broker, log] = [new MemoryBroker(), silentLog()]
  const services = scriptedServices(script)
  const coordinator = coordinatorOn(db, services)
  const inbox = await startInbox({ broker, coordinator, db, leaseMs: LEASE_MS, log })
  onTestFinished(() => inbox.stop(1_000))
  const tell = (...bodies: unknown[]) =>
    broker.publish(
      'orders.facts',
      bodies.map((body) => ({ id: newId(), body })),
    )
  const isQuiet = async () => (await broker.depth()).every(({ ready, inFlight }) => ready + inFlight === 0)
  const quiet = () => vi.waitFor(async () => expect(await isQuiet()).toBe(true), PATIENCE)
  return { broker, coordinator, services, tell, quiet }
}
const said = (order: Order, status: string) => ({
  ...{ type: `shipment.${status}`, order_id: order.id, shipment_id: `${order.id}-1`, location_id: 'main', at: '2026-01-01T00:00:00Z' },
})

describe('what shipping says', () => {
  it('is recorded and settled: dispatched, then delivered', async () => {
    const { coordinator, tell, quiet, services } = await ordersOn()
    const order = await coordinator.run(await accepted(db))
    await tell(said(order, 'dispatched'))
    await quiet()
    expect(await stored(db, order.id)).toMatchObject({ status: 'dispatched', work: null, payment: { status: 'captured' } })
    await tell(said(order, 'delivered'))
    await quiet()
    expect(await stored(db, order.id)).toMatchObject({ status: 'delivered', work: null })
    expect(services.steps(order.id).slice(3)).toEqual(['commitStock', 'capturePayment'])
  })

  it.each([
    ['twice', ['dispatched', 'dispatched', 'delivered', 'delivered']],
    ['the wrong way round', ['delivered', 'dispatched']],
    ['the wrong way round, and again', ['delivered', 'dispatched', 'dispatched', 'delivered']],
  ])('may come %s: the order ends the same, and the money is captured once', async (_, words) => {
    const { coordinator, tell, quiet, services } = await ordersOn()
    const order = await coordinator.run(await accepted(db))
    await tell(...words.map((word) => said(order, word)))
    await quiet()
    await tell(...words.map((word) => said(order, word)))
    await quiet()
    expect(await stored(db, order.id)).toMatchObject({ status: 'delivered', work: null, payment: { status: 'captured' } })
    expect(services.steps(order.id).filter((step) => step === 'capturePayment')).toHaveLength(1)
    const types = await history(db, order.id)
    expect(types.filter((type) => type === 'shipment.delivered')).toHaveLength(1)
    expect(types.filter((type) => type === 'shipment.dispatched').length).toBeLessThanOrEqual(1)
  })

  it('of an order that is not confirmed yet is left to shipping, which asks again', async () => {
    const { open, passed } = gate()
    const { coordinator, tell, quiet, broker } = await ordersOn({ createShipments: async () => passed.then(() => done([])) })
    const order = await accepted(db)
    const placing = coordinator.run(order)
    await tell(said(order, 'dispatched'))
    await quiet()
    expect(await stored(db, order.id)).toMatchObject({ status: 'pending', version: 1 })
    expect(await broker.dead.list({ limit: 9 })).toEqual([])
    open()
    await placing
  })

  it('that can not be lies with the dead messages, with the reason, and holds up no other', async () => {
    const { coordinator, tell, quiet, broker } = await ordersOn()
    const order = await coordinator.run(await accepted(db))
    const nobody = { id: newId() } as Order
    await tell(
      said(nobody, 'dispatched'),
      { ...said(order, 'dispatched'), shipment_id: 'x' },
      { type: 'odd', order_id: 'nobody' },
      null,
      said(order, 'dispatched'),
    )
    await quiet()
    const errors = (await broker.dead.list({ limit: 9 })).map(({ error }) => error.split(':')[0]).sort()
    expect(errors).toEqual(['not a fact that orders knows', 'not a fact that orders knows', 'unknown_order', 'unknown_shipment'])
    expect(await stored(db, order.id)).toMatchObject({ status: 'dispatched' })
  })

  it('in words of a newer version waits for an instance of that, and holds up no other', async () => {
    const { coordinator, tell, quiet, broker } = await ordersOn()
    const order = await coordinator.run(await accepted(db))
    await tell(said(order, 'lost'), { type: 'payment.disputed', order_id: order.id }, said(order, 'dispatched'))
    await quiet()
    expect(await stored(db, order.id)).toMatchObject({ status: 'dispatched' })
    expect(await broker.dead.list({ limit: 9 })).toEqual([])
    expect((await broker.depth()).find(({ queue }) => queue === 'orders.facts')).toMatchObject({ delayed: 2 })
  })

  it('directly, in words of a newer version, is not taken for something else: shipping tells it again', async () => {
    const { coordinator } = await ordersOn()
    const order = await coordinator.run(await accepted(db))
    const fact = { orderId: order.id, shipmentId: `${order.id}-1`, status: 'lost' }
    expect(await recordFacts({ db, coordinator, log: silentLog() }, [fact])).toEqual([unknown(expect.stringContaining('lost'))])
    expect(await stored(db, order.id)).toMatchObject({ status: 'confirmed' })
  })

  it('comes again when the database was down, and is recorded then', async () => {
    const { coordinator, quiet, broker } = await ordersOn()
    const order = await coordinator.run(await accepted(db))
    let down = true
    let refused = 0
    const query: Database['query'] = (statement) => {
      if (!down) return db.query(statement)
      refused++
      return Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))
    }
    const [second, services] = [new MemoryBroker(), scriptedServices()]
    const inbox = await startInbox({
      broker: second,
      coordinator: coordinatorOn(db, services),
      db: { ...db, query },
      leaseMs: LEASE_MS,
      log: silentLog(),
    })
    onTestFinished(() => inbox.stop(1_000))
    expect((await stored(db, order.id)).status).toBe('confirmed')
    await second.publish('orders.facts', [{ id: 'm', body: said(order, 'dispatched') }])
    await vi.waitFor(() => expect(refused).toBeGreaterThan(0), { ...PATIENCE, interval: 5 })
    down = false
    await vi.waitFor(async () => expect((await stored(db, order.id)).status).toBe('dispatched'), PATIENCE)
    await quiet()
    expect(await broker.dead.list({ limit: 9 })).toEqual([])
  })
})

describe('that a payment is resolved', () => {
  it('makes the order that waits for it go on at once, and no other', async () => {
    let resolved = false
    const { coordinator, tell, services } = await ordersOn({
      authorisePayment: async () => (resolved ? done({}) : unknown('the provider does not say')),
    })
    const [waiting, ended] = [await accepted(db), await accepted(db)]
    await coordinator.run(waiting)
    await db.query(sql`update orders set due_at = now() + interval '1 h' where id = ${waiting.id}`)
    resolved = true
    const before = await coordinator.run(ended)
    await tell({ type: 'payment.resolved', order_id: waiting.id, status: 'authorised' }, { type: 'payment.resolved', order_id: ended.id })
    await vi.waitFor(async () => expect((await stored(db, waiting.id)).status).toBe('confirmed'), PATIENCE)
    expect(await stored(db, ended.id)).toMatchObject({ version: before.version, epoch: 1 })
    expect(services.steps(ended.id)).toHaveLength(3)
  })
})
