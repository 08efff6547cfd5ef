import { ClientError, Status } from 'nice-grpc'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Message } from '../../src/broker/broker.ts'
import { newId } from '../../src/platform/ids.ts'
import { silentLog } from '../../src/platform/log.ts'
import { type Answer, done, unknown } from '../../src/platform/outcome.ts'
import { type Database, openDatabase, sql } from '../../src/platform/postgres.ts'
import { type FactRelay, relayFactsOnce } from '../../src/shipping/fact-relay.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

/** From shipping's outbox over the broker to orders; nothing is skipped, and nothing is taken for told that orders has not answered for. */

let database: TestDatabase
let db: Database
let other: Database
beforeAll(async () => {
  database = await testDatabase('shipping')
  db = database.db
  other = openDatabase(database.url, { max: 4 })
})
afterAll(async () => {
  await other.close()
  await database.drop()
})
beforeEach(() => db.query(sql`update facts set told_at = now() where told_at is null`))

/** A fact as dispatching writes it. */
async function fact(on: Pick<Database, 'query'> = db, orderId = newId()): Promise<string> {
  await on.query(sql`insert into order_shipments (order_id, status) values (${orderId}, 'created')`)
  await on.query(sql`insert into facts (order_id, number, location_id, status) values (${orderId}, 1, 'madrid', 'dispatched')`)
  return orderId
}

/** An instance of shipping, with a broker and an orders that write down what they get. */
function instance({ on = db, answer = () => done(null) as Answer<unknown> } = {}) {
  const published: Message[] = []
  const told: string[] = []
  const relay: FactRelay = {
    db: on,
    publish: async (messages) => void published.push(...messages),
    tellOrders: async (one) => {
      told.push(one.order_id)
      return answer()
    },
    log: silentLog(),
  }
  return { relay, published, told, once: () => relayFactsOnce(relay) }
}
const due = () => db.query(sql`update facts set due_at = now() where told_at is null`)
const state = async (orderId: string) => {
  const [row] = await db.query<{ published: boolean; told: boolean }>(
    sql`select published_at is not null as published, told_at is not null as told from facts where order_id = ${orderId}`,
  )
  return row
}

describe('a fact', () => {
  it('goes to the broker, and is told once orders has answered for it', async () => {
    const shipping = instance()
    const orderId = await fact()
    await shipping.once()
    expect(shipping.published).toEqual([
      {
        id: `shipment.dispatched:${orderId}-1`,
        body: { type: 'shipment.dispatched', order_id: orderId, shipment_id: `${orderId}-1`, location_id: 'madrid', at: expect.any(Date) },
      },
    ])
    expect([shipping.told, await state(orderId)]).toEqual([[], { published: true, told: false }])
    await shipping.once() // not yet: the message has a moment
    expect(shipping.told).toEqual([])
    await due()
    await shipping.once()
    expect([shipping.told, await state(orderId)]).toEqual([[orderId], { published: true, told: true }])
    expect(shipping.published.length).toBe(1)
  })

  it('is told directly at once while the broker is down', async () => {
    const shipping = instance()
    shipping.relay.publish = () => Promise.reject(new Error('the broker is down'))
    const orderId = await fact()
    await shipping.once()
    expect([shipping.told, await state(orderId)]).toEqual([[orderId], { published: false, told: true }])
  })

  it('that the broker has forgotten is told directly, until orders knows it', async () => {
    let knows = false
    const shipping = instance({ answer: () => (knows ? done(null) : unknown('not confirmed yet')) })
    const orderId = await fact()
    await shipping.once()
    for (let round = 0; round < 3; round++) {
      await due()
      await shipping.once()
    }
    expect([shipping.told.length, (await state(orderId))?.told]).toEqual([3, false])
    knows = true
    await due()
    await shipping.once()
    expect((await state(orderId))?.told).toBe(true)
  })

  it('is not lost while neither can be reached', async () => {
    const shipping = instance()
    const { tellOrders } = shipping.relay
    shipping.relay.publish = () => Promise.reject(new Error('down'))
    shipping.relay.tellOrders = () => Promise.reject(new ClientError('/x', Status.UNAVAILABLE, 'down'))
    const orderId = await fact()
    await expect(shipping.once()).rejects.toThrow(/down/)
    shipping.relay.tellOrders = tellOrders
    await shipping.once() // due again at once
    expect((await state(orderId))?.told).toBe(true)
  })

  it('is published again, under the same id, by the one who finds it when its instance has died before it was marked', async () => {
    const [dying, survivor] = [instance(), instance({ on: other })]
    dying.relay.publish = async (messages) => {
      dying.published.push(...messages)
      return new Promise(() => {})
    }
    const orderId = await fact()
    void dying.once()
    await expect.poll(() => dying.published.length, { timeout: 20_000 }).toBe(1)
    await survivor.once()
    expect(survivor.published).toEqual([]) // its lease still runs
    await due()
    await survivor.once()
    expect(survivor.published.map(({ id }) => id)).toEqual(dying.published.map(({ id }) => id))
    expect((await state(orderId))?.published).toBe(true)
  })

  it('of a transaction that commits late is not skipped, though later facts have gone before it', async () => {
    const shipping = instance()
    const committed = Promise.withResolvers<void>()
    const written = Promise.withResolvers<string>()
    const slow = other.transaction(async (tx) => {
      written.resolve(await fact(tx))
      await committed.promise
    })
    const early = await written.promise // the smaller id, not committed yet
    const late = await fact()
    await shipping.once()
    await due()
    await shipping.once()
    expect((await state(late))?.told).toBe(true)
    committed.resolve()
    await slow
    await shipping.once()
    expect(shipping.published.map(({ body }) => (body as { order_id: string }).order_id)).toEqual([late, early])
  })

  it('is published by one of two instances, not by both', async () => {
    const orders = await Promise.all(Array.from({ length: 60 }, () => fact()))
    const [one, two] = [instance(), instance({ on: other })]
    await Promise.all([one.once(), two.once(), one.once(), two.once()])
    const ids = [...one.published, ...two.published].map(({ body }) => (body as { order_id: string }).order_id)
    expect(ids.toSorted()).toEqual(orders.toSorted())
  })
})
