import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { OrdersServiceDefinition, type ResolvedDeadLetter } from '../../src/gen/comanda/v1/orders.ts'
import { productCheck } from '../../src/orders/accept.ts'
import type { Services } from '../../src/orders/place-order.ts'
import { ordersService } from '../../src/orders/service.ts'
import { connectGrpc, serveGrpc } from '../../src/platform/grpc.ts'
import { newId } from '../../src/platform/ids.ts'
import { silentLog } from '../../src/platform/log.ts'
import { done, refused, unavailable } from '../../src/platform/outcome.ts'
import { type Database, sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { MemoryBroker } from '../support/memory-broker.ts'
import { scriptedServices } from './examples.ts'
import { accepted, coordinatorOn, history, LEASE_MS, stored, switchboard } from './running.ts'

/** The dead-letter desk over real gRPC on a real database. */

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await testDatabase('orders')
  db = database.db
})
afterAll(() => database.drop())

const PATIENCE = { timeout: 20_000, interval: 30 }
const HAND = { actor: 'ana', reason: 'mended', requestId: 'r9' }
const limits = { maxAgeMs: 3_600_000, maxAttempts: 2 }

async function ordersWith(script: Partial<Services> = {}) {
  const [log, health, broker] = [silentLog(), switchboard(), new MemoryBroker()]
  const services = scriptedServices(script)
  const coordinator = coordinatorOn(db, services, { health, limits })
  const products = productCheck(async (ids) => new Set(ids))
  const service = ordersService({ db, coordinator, products, leaseMs: LEASE_MS, log, health, broker })
  const server = await serveGrpc(OrdersServiceDefinition, service, { address: '127.0.0.1:0', log })
  const client = connectGrpc(OrdersServiceDefinition, `127.0.0.1:${server.port}`, 10_000)
  onTestFinished(async () => {
    client.close()
    await server.stop()
    await db.query(
      sql`update orders set due_at = null, work = null, status = 'cancelled', dead_at = null, dead_reason = null where dead_at is not null`,
    )
  })
  return { client, coordinator, services, health, broker }
}
type Orders = Awaited<ReturnType<typeof ordersWith>>

/** An order whose work fails until it lies on the desk. */
async function deadOrder({ coordinator }: Orders, over = {}) {
  const order = await accepted(db, over)
  await coordinator.run(order)
  await vi.waitFor(async () => expect((await stored(db, order.id)).dead_at).not.toBeNull(), PATIENCE)
  return order.id
}
const inWords = ({ outcome }: ResolvedDeadLetter) => (outcome?.$case === 'refused' ? outcome.value.code : outcome?.$case)
const ended = (id: string) => vi.waitFor(async () => expect((await stored(db, id)).work).toBeNull(), PATIENCE)

describe('an order that fails for a reason nobody foresaw', () => {
  it('lies on the desk after so many tries, visibly, and is not tried again', async () => {
    const orders = await ordersWith({ reserveStock: () => Promise.reject(new TypeError('x is not a function')) })
    const id = await deadOrder(orders)
    const tries = orders.services.steps(id).length
    expect(tries).toBe(2)
    const { orders: letters } = await orders.client.listDeadLetters({ limit: 10 })
    expect(letters).toMatchObject([
      {
        id,
        status: 'pending',
        waiting: {
          work: 'place',
          service: 'orders',
          attempts: 2,
          deadReason: 'unforeseen_error',
          deadSince: expect.any(Date),
          nextTryAt: undefined,
        },
      },
    ])
    const witness = await accepted(db)
    await vi.waitFor(async () => expect((await stored(db, witness.id)).dead_at).not.toBeNull(), PATIENCE)
    expect(orders.services.steps(id).length).toBe(tries)
    expect(await history(db, id)).toEqual(['order.accepted', 'order.parked', 'order.dead'])
  })

  it('retried when the fault is mended, it ends; who did it and why stands in its history', async () => {
    let mended = false
    const orders = await ordersWith({ authorisePayment: async () => (mended ? done({}) : Promise.reject(new TypeError('x'))) })
    const id = await deadOrder(orders)
    mended = true
    const { letters } = await orders.client.resolveDeadLetters({ action: 'retry', orderIds: [id], ...HAND })
    expect(letters.map(inWords)).toEqual(['done'])
    await ended(id)
    expect(await stored(db, id)).toMatchObject({ status: 'confirmed', dead_at: null, attempts: 0 })
    const { histories } = await orders.client.listOrderEvents({ orderIds: [id] })
    const retried = histories[0]?.events.find((event) => event.type === 'order.retried')
    expect(JSON.parse(retried?.data ?? '{}')).toEqual({ work: 'place', actor: 'ana', reason: 'mended' })
  })

  it('cancelled from the desk, or by its customer, it is undone', async () => {
    const orders = await ordersWith({ createShipments: () => Promise.reject(new TypeError('x')) })
    const [byUs, byCustomer] = [await deadOrder(orders), await deadOrder(orders)]
    const { letters } = await orders.client.resolveDeadLetters({ action: 'cancel', orderIds: [byUs], ...HAND })
    expect(letters.map(inWords)).toEqual(['done'])
    await orders.client.cancelOrders({ commands: [{ orderId: byCustomer, requestId: 'r1', reason: 'tired of waiting' }] })
    for (const id of [byUs, byCustomer]) await ended(id)
    expect(await stored(db, byUs)).toMatchObject({ status: 'cancelled', cancel_reason: 'mended', dead_at: null })
    expect(await stored(db, byCustomer)).toMatchObject({ status: 'cancelled', cancel_reason: 'tired of waiting', dead_at: null })
    expect(orders.services.steps(byUs).slice(-3)).toEqual(['cancelShipments', 'voidPayment', 'releaseStock'])
  })
})

describe('the desk', () => {
  it('takes what the filter says, all at once; a dry run changes nothing', async () => {
    const orders = await ordersWith({
      authorisePayment: async () => refused('payment_declined', 'no'),
      releaseStock: async () => refused('odd', 'never'),
    })
    const ids = [await deadOrder(orders), await deadOrder(orders), await deadOrder(orders)]
    const filter = { service: 'inventory', work: 'undo', deadReason: 'refused' }
    const dry = await orders.client.resolveDeadLetters({ action: 'retry', filter, dryRun: true, ...HAND })
    expect(dry.letters.map((letter) => [letter.orderId, inWords(letter)])).toEqual(ids.map((id) => [id, 'done']))
    expect((await stored(db, ids[0] ?? '')).dead_at).not.toBeNull()
    const none = await orders.client.resolveDeadLetters({ action: 'retry', filter: { ...filter, work: 'place' }, ...HAND })
    expect(none).toEqual({ letters: [], more: false })
    const wet = await orders.client.resolveDeadLetters({ action: 'retry', filter, ...HAND })
    expect(wet.letters.map(inWords)).toEqual(['done', 'done', 'done'])
    for (const id of ids) expect((await history(db, id)).includes('order.retried')).toBe(true)
  })

  it('refuses what can not be: ended orders are not cancelled, and what lies elsewhere is left alone', async () => {
    const orders = await ordersWith({
      authorisePayment: async () => refused('payment_declined', 'no'),
      releaseStock: async () => refused('odd', 'never'),
    })
    const rejected = await deadOrder(orders)
    const fine = await accepted(db)
    const orderIds = [rejected, fine.id, newId(), 'no id at all']
    const { letters } = await orders.client.resolveDeadLetters({ action: 'cancel', orderIds, ...HAND })
    expect(letters.map(inWords)).toEqual(['order_ended', 'not_dead', 'unknown_order', 'unknown_order'])
    expect((await stored(db, rejected)).dead_at).not.toBeNull()
    await expect(orders.client.resolveDeadLetters({ action: 'retry', orderIds, ...HAND, actor: '' })).rejects.toThrow(/actor and reason/)
    await expect(orders.client.resolveDeadLetters({ action: 'burn', ...HAND })).rejects.toThrow(/no action burn/)
  })

  it('lets two hands take an order only once', async () => {
    const orders = await ordersWith({ reserveStock: () => Promise.reject(new TypeError('x')) })
    const id = await deadOrder(orders)
    const hands = await Promise.all(
      ['retry', 'cancel', 'retry', 'cancel'].map((action) => orders.client.resolveDeadLetters({ action, orderIds: [id], ...HAND })),
    )
    expect(hands.flatMap(({ letters }) => letters.map(inWords)).filter((words) => words === 'done')).toHaveLength(1)
  })
})

describe('an order that is still not placed when it is too old', () => {
  it('is given up: undone and cancelled, also while the service it waits for is still away', async () => {
    const orders = await ordersWith({ authorisePayment: async () => unavailable('payment is down') })
    orders.health.down('payment')
    const order = await accepted(db)
    await db.query(sql`update orders set created_at = now() - interval '2 h', due_at = now() where id = ${order.id}`)
    await ended(order.id)
    expect(await stored(db, order.id)).toMatchObject({ status: 'cancelled', cancel_reason: 'gave_up', work: null })
    expect(await history(db, order.id)).toEqual(['order.accepted', 'order.given_up', 'order.cancelled', 'order.undone'])
  })
})

describe('the queue', () => {
  it('tells what waits for whom, since when, and how the broker stands', async () => {
    const orders = await ordersWith({ authorisePayment: async () => unavailable('payment is down') })
    orders.health.down('payment')
    const parked = [await accepted(db), await accepted(db)]
    for (const order of parked) await orders.coordinator.run(order)
    await orders.broker.publish('orders.parked.payment', [{ id: 'a', body: null }])
    const queue = await orders.client.getQueue({})
    expect(queue).toMatchObject({
      parked: [{ service: 'payment', work: 'place', count: 2, isDown: true, oldestSince: expect.any(Date), nextTryAt: expect.any(Date) }],
      brokerIsUp: true,
    })
    expect(queue.brokerQueues.find(({ name }) => name === 'orders.parked.payment')).toMatchObject({ ready: 1, dead: 0 })
  })

  it('is told though the broker hangs', async () => {
    const orders = await ordersWith()
    orders.broker.depth = () => new Promise(() => {})
    expect(await orders.client.getQueue({})).toMatchObject({ brokerIsUp: false, brokerQueues: [] })
  })
})

describe('dead messages of the broker', () => {
  it('are shown, put back and thrown away', async () => {
    const { client, broker } = await ordersWith()
    await broker.publish(
      'orders.facts',
      [1, 2, 3].map((n) => ({ id: `m${n}`, body: { n } })),
    )
    const consumer = await broker.consume('orders.facts', async (list) => list.map(() => ({ do: 'dead', error: 'odd' })), {
      maxInFlight: 9,
      maxAttempts: 1,
    })
    await vi.waitFor(async () => expect((await client.listDeadMessages({ limit: 9 })).messages.length).toBe(3), PATIENCE)
    await consumer.stop(0)
    const { messages, next } = await client.listDeadMessages({ limit: 2 })
    expect(messages.map(({ queue, body, error }) => [queue, body, error])).toEqual([
      ['orders.facts', '{"n":1}', 'odd'],
      ['orders.facts', '{"n":2}', 'odd'],
    ])
    expect((await client.listDeadMessages({ after: next, limit: 2 })).messages.length).toBe(1)
    const [one, two] = messages.map(({ key }) => key)
    expect(await client.resolveDeadMessages({ action: 'retry', keys: [one ?? ''], ...HAND })).toEqual({ count: 1 })
    expect(await client.resolveDeadMessages({ action: 'discard', keys: [two ?? '', 'none'], ...HAND })).toEqual({ count: 1 })
    expect((await client.getQueue({})).brokerQueues.find(({ name }) => name === 'orders.facts')).toMatchObject({ ready: 1, dead: 1 })
  })
})
