import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { confirm, requestCancel } from '../../src/orders/order.ts'
import { done, refused, unavailable } from '../../src/platform/outcome.ts'
import type { Database, Statement } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { hanging, reservedFor, scriptedServices } from './examples.ts'
import { accepted, coordinatorOn, gate, history, stored } from './running.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await testDatabase('orders')
  db = database.db
})
afterAll(() => database.drop())

const PATIENCE = { timeout: 20_000, interval: 30 }
const ended = (id: string) => vi.waitFor(async () => expect((await stored(db, id)).work).toBeNull(), PATIENCE)

describe('running an order', () => {
  it('takes it to its end in one write', async () => {
    const order = await accepted(db)
    const result = await coordinatorOn(db, scriptedServices()).run(order)
    expect(result).toMatchObject({ status: 'confirmed', work: null, due_at: null, version: 2 })
    expect(await stored(db, order.id)).toEqual({ ...result, updated_at: expect.any(Date) })
  })

  it('goes on to the undos of a rejected order at once', async () => {
    const order = await accepted(db)
    const services = scriptedServices({ authorisePayment: async () => refused('payment_declined', 'no') })
    expect(await coordinatorOn(db, services).run(order)).toMatchObject({ status: 'rejected', work: null })
    expect(services.steps()).toEqual(['reserveStock', 'authorisePayment', 'releaseStock'])
    expect(await history(db, order.id)).toEqual(['order.accepted', 'order.rejected', 'order.undone'])
  })

  it('tells how it was last written when the next write fails, and not how it began', async () => {
    const order = await accepted(db)
    let isCut = false
    const cut = { ...db, query: <Row>(statement: Statement) => (isCut ? Promise.reject(new Error('cut')) : db.query<Row>(statement)) }
    const services = scriptedServices({
      authorisePayment: async () => refused('payment_declined', 'no'),
      releaseStock: async () => {
        isCut = true
        return done(null)
      },
    })
    const result = await coordinatorOn(cut, services).run(order)
    isCut = false
    expect(result).toMatchObject({ status: 'rejected', work: 'undo' })
  })

  it('parks it while a service is down, and ends it when the service is back', async () => {
    const order = await accepted(db)
    let tries = 0
    const services = scriptedServices({ authorisePayment: async () => (++tries < 4 ? unavailable("payment can't be reached") : done({})) })
    const parked = await coordinatorOn(db, services).run(order)
    expect(parked).toMatchObject({ status: 'pending', work: 'place', waiting_service: 'payment', attempts: 1 })
    await ended(order.id)
    expect(await stored(db, order.id)).toMatchObject({ status: 'confirmed', waiting_service: null, attempts: 0 })
    expect(tries).toBe(4)
    expect(await history(db, order.id)).toEqual(['order.accepted', 'order.parked', 'order.confirmed'])
  })

  it('that throws what nobody foresaw parks it, visibly, and disturbs no other', async () => {
    const orders = await Promise.all(Array.from({ length: 6 }, () => accepted(db)))
    const poison = orders[2]?.id
    let mended = false
    const services = scriptedServices({
      reserveStock: async (order) => {
        if (order.id === poison && !mended) throw new TypeError('undefined is not a function')
        return done(reservedFor(order))
      },
    })
    const coordinator = coordinatorOn(db, services)
    const results = await Promise.all(orders.map((order) => coordinator.run(order)))
    expect(results.map((order) => order.status)).toEqual(['confirmed', 'confirmed', 'pending', 'confirmed', 'confirmed', 'confirmed'])
    expect(results[2]).toMatchObject({ waiting_service: 'orders', attempts: 1 })
    expect(results[2]?.waiting_reason).not.toContain('undefined')
    mended = true
    await ended(poison ?? '')
    expect((await stored(db, poison ?? '')).status).toBe('confirmed')
  })

  it('whose end can not be saved is taken up again when the database is back', async () => {
    const order = await accepted(db)
    let down = true
    const query = async <Row>(statement: Statement): Promise<Row[]> => {
      if (down && statement.text.includes('insert into order_events'))
        throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
      return db.query<Row>(statement)
    }
    expect(await coordinatorOn({ ...db, query }, scriptedServices()).run(order)).toMatchObject({ status: 'pending' })
    down = false
    await ended(order.id)
    expect(await stored(db, order.id)).toMatchObject({ status: 'confirmed', epoch: 2 })
  })
})

describe('cancelling while the order is being placed', () => {
  it('wins over the placing, and what the placing did is undone', async () => {
    const order = await accepted(db)
    const { open, passed } = gate()
    const asked = hanging<void>()
    const services = scriptedServices({
      authorisePayment: async () => {
        void asked.call()
        await passed
        return done({})
      },
    })
    const coordinator = coordinatorOn(db, services)
    const placing = coordinator.run(order)
    await asked.made
    const saved = await coordinator.save(requestCancel(order, 'changed my mind'))
    const cancelled = await coordinator.run(saved ?? order)
    open()
    expect(cancelled).toMatchObject({ status: 'cancelled', work: null })
    expect(await placing).toMatchObject({ status: 'cancelled' })
    expect((await stored(db, order.id)).version).toBe(cancelled.version)
    expect(services.steps().filter((step) => /cancel|void|release/.test(step))).toEqual(['cancelShipments', 'voidPayment', 'releaseStock'])
    expect(await history(db, order.id)).toEqual(['order.accepted', 'order.cancel_requested', 'order.cancelled', 'order.undone'])
  })

  it('loses when the end is written first, and says so', async () => {
    const order = await accepted(db)
    const coordinator = coordinatorOn(db, scriptedServices())
    await coordinator.run(order)
    expect(await coordinator.save(requestCancel(order, 'too late for this version'))).toBeNull()
    expect((await stored(db, order.id)).status).toBe('confirmed')
  })

  it('at the same moment as the end lets exactly one of both be written', async () => {
    for (let round = 0; round < 20; round++) {
      const order = await accepted(db)
      const coordinator = coordinatorOn(db, scriptedServices())
      const results = await Promise.all([coordinator.save(requestCancel(order, '')), coordinator.save(confirm(order, []))])
      expect(results.filter((saved) => saved !== null).length).toBe(1)
      await coordinator.stop(0)
    }
  })
})

describe('stopping', () => {
  it('waits for the orders in work, and takes up no more', async () => {
    const order = await accepted(db)
    const { open, passed } = gate()
    const asked = hanging<void>()
    const services = scriptedServices({
      reserveStock: async (it) => {
        void asked.call()
        await passed
        return done(reservedFor(it))
      },
    })
    const coordinator = coordinatorOn(db, services)
    void coordinator.run(order)
    await asked.made
    let stopped = false
    const stopping = coordinator.stop(5_000).then(() => {
      stopped = true
    })
    await stored(db, order.id)
    expect(stopped).toBe(false)
    open()
    await stopping
    expect((await stored(db, order.id)).status).toBe('confirmed')
    expect(coordinator.running(order.id)).toBeUndefined()
  })
})
