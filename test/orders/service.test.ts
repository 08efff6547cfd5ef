import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { OrdersServiceDefinition, type PlaceOrderOutcome, type PlaceOrdersResponse } from '../../src/gen/comanda/v1/orders.ts'
import { productCheck } from '../../src/orders/accept.ts'
import type { Services } from '../../src/orders/place-order.ts'
import { ordersService } from '../../src/orders/service.ts'
import { connectGrpc, serveGrpc } from '../../src/platform/grpc.ts'
import { newId } from '../../src/platform/ids.ts'
import { silentLog } from '../../src/platform/log.ts'
import { done, refused, unavailable } from '../../src/platform/outcome.ts'
import { type Database, openDatabase } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aCommand, fingerprintOf, reservedFor, scriptedServices } from './examples.ts'
import { coordinatorOn, gate, history, LEASE_MS, stored } from './running.ts'

const PATIENCE = { timeout: 20_000, interval: 30 }

/** orders over real gRPC on a real database; the other services are scripted. */

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await testDatabase('orders')
  db = database.db
})
afterAll(() => database.drop())

const products = productCheck(async (ids) => new Set(ids.filter((id) => id !== 'nothing')))

/** An orders process of its own, and a client of it. */
async function ordersWith(script: Partial<Services> = {}, on: Database = db) {
  const services = scriptedServices(script)
  const log = silentLog()
  const coordinator = coordinatorOn(on, services)
  const server = await serveGrpc(OrdersServiceDefinition, ordersService({ db: on, coordinator, products, leaseMs: LEASE_MS, log }), {
    address: '127.0.0.1:0',
    log,
  })
  const client = connectGrpc(OrdersServiceDefinition, `127.0.0.1:${server.port}`, 10_000)
  onTestFinished(async () => {
    client.close()
    await server.stop()
  })
  return { client, services }
}

const inWords = (outcome: PlaceOrderOutcome) => {
  const what =
    outcome.outcome?.$case === 'done'
      ? outcome.outcome.value.status
      : outcome.outcome?.$case === 'refused'
        ? outcome.outcome.value.code
        : 'nothing'
  return `${outcome.index} ${what}${outcome.ended ? ' ended' : ''}`
}
async function all(stream: AsyncIterable<PlaceOrdersResponse>): Promise<string[][]> {
  const messages: string[][] = []
  for await (const message of stream) messages.push(message.outcomes.map(inWords))
  return messages
}
const orderIn = (outcome: PlaceOrderOutcome | undefined) => (outcome?.outcome?.$case === 'done' ? outcome.outcome.value : undefined)

describe('placing orders', () => {
  it('answers first for every command in turn, and then with each end', async () => {
    const { client } = await ordersWith({
      authorisePayment: async (order) => (order.user_id === 'poor' ? refused('payment_declined', 'no') : done({})),
    })
    const nothing = [{ productId: 'nothing', quantity: 1, discountBasisPoints: 0 }]
    const messages = await all(
      client.placeOrders({ commands: [aCommand(), aCommand({ items: nothing }), aCommand({ userId: 'poor' }), aCommand()] }),
    )
    expect(messages[0]).toEqual(['0 pending', '1 unknown_product ended', '2 pending', '3 pending'])
    expect(messages.slice(1).flat().sort()).toEqual(['0 confirmed ended', '2 rejected ended', '3 confirmed ended'])
  })

  it('does not let a slow order hold up its neighbours', async () => {
    const { open, passed } = gate()
    const slow = aCommand()
    const { client } = await ordersWith({
      reserveStock: async (order) => {
        if (order.id === slow.orderId) await passed
        return done(reservedFor(order))
      },
    })
    const ends: string[] = []
    for await (const { outcomes } of client.placeOrders({ commands: [slow, aCommand(), aCommand()] })) {
      ends.push(...outcomes.filter((outcome) => outcome.ended).map(inWords))
      if (ends.length === 2) open() // only now: the other two have come before it
    }
    expect(ends.slice(0, 2).sort()).toEqual(['1 confirmed ended', '2 confirmed ended'])
    expect(ends[2]).toBe('0 confirmed ended')
  })

  it('ends the answer of an order that must wait, and says what for', async () => {
    const { client } = await ordersWith({ createShipments: async () => unavailable("shipping can't be reached") })
    let last: PlaceOrderOutcome | undefined
    for await (const { outcomes } of client.placeOrders({ commands: [aCommand()] })) last = outcomes[0]
    expect(last).toMatchObject({ ended: true })
    expect(orderIn(last)).toMatchObject({
      status: 'pending',
      waiting: { work: 'place', service: 'shipping', reason: "shipping can't be reached", attempts: 1 },
    })
  })

  it.each(['the same process', 'another process'])(
    'gives a repeat that comes while the first still runs the same order and the same end: %s',
    async (where) => {
      const { open, passed } = gate()
      const script: Partial<Services> = { authorisePayment: async () => passed.then(() => done({})) }
      const first = await ordersWith(script)
      const otherDb = openDatabase(database.url)
      onTestFinished(() => otherDb.close())
      const second = where === 'the same process' ? first : await ordersWith({}, otherDb)
      const command = aCommand()
      const one = all(first.client.placeOrders({ commands: [command] }))
      await vi.waitFor(() => expect(first.services.steps(command.orderId)).toContain('authorisePayment'), PATIENCE)
      const two: PlaceOrdersResponse[] = []
      for await (const message of second.client.placeOrders({ commands: [{ ...command, orderId: newId() }] })) {
        two.push(message)
        open()
      }
      expect(await one).toEqual([['0 pending'], ['0 confirmed ended']])
      expect(two.map((message) => message.outcomes.map(inWords))).toEqual([['0 pending'], ['0 confirmed ended']])
      expect(two.map((message) => orderIn(message.outcomes[0])?.id)).toEqual([command.orderId, command.orderId])
      expect(first.services.steps(command.orderId)).toEqual(['reserveStock', 'authorisePayment', 'createShipments'])
    },
  )

  it('gives a repeat of an ended order that end at once, and another body a refusal', async () => {
    const { client, services } = await ordersWith()
    const command = aCommand()
    await all(client.placeOrders({ commands: [command] }))
    const changed = { ...command, orderId: newId(), fingerprint: fingerprintOf('other') }
    expect(await all(client.placeOrders({ commands: [{ ...command, orderId: newId() }, changed] }))).toEqual([
      ['0 confirmed ended', '1 idempotency_key_reused ended'],
    ])
    expect(services.calls.length).toBe(3)
  })

  it('goes on with an order whose client has gone', async () => {
    const { open, passed } = gate()
    const { client } = await ordersWith({ reserveStock: async (order) => passed.then(() => done(reservedFor(order))) })
    const command = aCommand()
    const leaving = new AbortController()
    await expect(async () => {
      for await (const _ of client.placeOrders({ commands: [command] }, { signal: leaving.signal })) leaving.abort()
    }).rejects.toThrow()
    open()
    await vi.waitFor(async () => expect((await stored(db, command.orderId)).status).toBe('confirmed'), { timeout: 5_000 })
  })
})

describe('cancelling', () => {
  const cancelOne = async ({ client }: Awaited<ReturnType<typeof ordersWith>>, orderId: string) => {
    const { outcomes } = await client.cancelOrders({ commands: [{ orderId, requestId: 'r2', reason: 'changed my mind' }] })
    const outcome = outcomes[0]?.outcome
    return outcome?.$case === 'done' ? outcome.value : outcome?.$case === 'refused' ? outcome.value.code : undefined
  }
  const placed = async (orders: Awaited<ReturnType<typeof ordersWith>>, over = {}) => {
    const command = aCommand(over)
    await all(orders.client.placeOrders({ commands: [command] }))
    return command.orderId
  }

  it('undoes a confirmed order, and again gives the same', async () => {
    const orders = await ordersWith()
    const id = await placed(orders)
    expect(await cancelOne(orders, id)).toMatchObject({ status: 'cancelled', payment: { status: 'voided' }, waiting: undefined })
    expect(await cancelOne(orders, id)).toMatchObject({ status: 'cancelled' })
    expect(await history(db, id)).toEqual([
      'order.accepted',
      'order.confirmed',
      'order.cancel_requested',
      'order.cancelled',
      'order.undone',
    ])
  })

  it('is refused for goods that have left, for a rejected order and for an unknown one', async () => {
    const gone = await ordersWith({
      cancelShipments: async () => refused('already_dispatched', 'gone'),
      reserveStock: async (order) => (order.user_id === 'late' ? refused('out_of_stock', '') : done(reservedFor(order))),
    })
    const id = await placed(gone)
    expect(await cancelOne(gone, id)).toBe('already_dispatched')
    expect(await stored(db, id)).toMatchObject({ status: 'confirmed', work: null })
    expect(await cancelOne(gone, await placed(gone, { userId: 'late' }))).toBe('order_ended')
    expect(await cancelOne(gone, newId())).toBe('unknown_order')
  })

  it('says what it waits for while shipping or the undoing is down', async () => {
    const orders = await ordersWith({ cancelShipments: async () => unavailable('down') })
    const id = await placed(orders)
    expect(await cancelOne(orders, id)).toMatchObject({ status: 'confirmed', waiting: { work: 'cancel', service: 'shipping' } })
    const others = await ordersWith({ voidPayment: async () => unavailable('down') })
    expect(await cancelOne(others, await placed(others))).toMatchObject({
      status: 'cancelled',
      waiting: { work: 'undo', service: 'payment' },
    })
  })

  it('by ten at once cancels once', async () => {
    const orders = await ordersWith()
    const id = await placed(orders)
    const answers = await Promise.all(Array.from({ length: 10 }, () => cancelOne(orders, id)))
    for (const answer of answers) expect(typeof answer).toBe('object')
    // By the one that won, not by whoever takes the order over when its lease has run out: that would raise the epoch.
    expect(answers).toContainEqual(expect.objectContaining({ status: 'cancelled' }))
    expect(await stored(db, id)).toMatchObject({ status: 'cancelled', work: null, epoch: 1 })
    expect((await history(db, id)).filter((type) => type === 'order.cancelled').length).toBe(1)
  })
})

describe('what shipping tells', () => {
  it('settles the order once, however often it is told', async () => {
    const { client, services } = await ordersWith()
    const command = aCommand()
    await all(client.placeOrders({ commands: [command] }))
    const fact = { orderId: command.orderId, shipmentId: `${command.orderId}-1`, locationId: 'main', status: 'dispatched', at: new Date() }
    const { outcomes } = await client.recordShipments({
      facts: [fact, fact, { ...fact, status: 'delivered' }, { ...fact, shipmentId: 'other' }, { ...fact, orderId: newId() }],
    })
    expect(outcomes.map(({ outcome }) => (outcome?.$case === 'refused' ? outcome.value.code : outcome?.$case))).toEqual([
      'done',
      'done',
      'done',
      'unknown_shipment',
      'unknown_order',
    ])
    expect(services.steps(command.orderId).slice(3)).toEqual(['commitStock', 'capturePayment'])
    expect(await stored(db, command.orderId)).toMatchObject({ status: 'delivered', work: null, payment: { status: 'captured' } })
  })
})

describe('looking', () => {
  it('gives orders, pages and histories', async () => {
    const { client } = await ordersWith()
    const commands = Array.from({ length: 3 }, () => aCommand({ userId: 'looker' }))
    await all(client.placeOrders({ commands }))
    const ids = commands.map((command) => command.orderId)
    expect((await client.getOrders({ orderIds: [ids[2] ?? '', newId(), ids[0] ?? ''] })).orders.map((order) => order.id)).toEqual([
      ids[2],
      ids[0],
    ])
    const page = async (before: string) =>
      (await client.listOrders({ queries: [{ userId: 'looker', status: '', from: undefined, to: undefined, before, limit: 2 }] })).pages[0]
    const first = await page('')
    expect(first?.orders.map((order) => order.id)).toEqual([ids[2], ids[1]])
    expect((await page(first?.next ?? ''))?.orders.map((order) => order.id)).toEqual([ids[0]])
    const { histories } = await client.listOrderEvents({ orderIds: [ids[0] ?? ''] })
    expect(histories[0]?.events.map((event) => [event.type, JSON.parse(event.data)])).toContainEqual([
      'order.confirmed',
      { total_minor: 1000, currency: 'EUR' },
    ])
    await expect(
      client.listOrders({ queries: [{ userId: '', status: 'odd', from: undefined, to: undefined, before: '', limit: 1 }] }),
    ).rejects.toThrow(/no status odd/)
  })
})
