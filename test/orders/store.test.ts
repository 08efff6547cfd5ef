import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { newOrder } from '../../src/orders/messages.ts'
import { confirm, type Order, refuseCancel, requestCancel, STEPS } from '../../src/orders/order.ts'
import { park } from '../../src/orders/parking.ts'
import * as store from '../../src/orders/store.ts'
import { type Database, openDatabase, sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aCommand, aShipment, NOON } from './examples.ts'

const ALL = [...STEPS, 'orders']
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
beforeEach(async () => {
  await db.query(sql`update orders set due_at = 'infinity' where work is not null`)
})

const LEASE_MS = 60_000

/** An accepted order as the database has it. */
async function accepted(over = {}): Promise<Order> {
  const order = newOrder(aCommand(over))
  expect((await store.acceptOrders(db, [order], LEASE_MS)).length).toBe(1)
  return stored(order.id)
}
const stored = async (id: string) => (await store.getOrders(db, [id])).get(id) as Order
const types = async (id: string) => ((await store.listEvents(db, [id])).get(id) ?? []).map((event) => event.type)
const makeDue = (id: string) => db.query(sql`update orders set due_at = now() - interval '1 s' where id = ${id}`)

describe('an accepted order', () => {
  it('comes back as it was, with its lease and its first event', async () => {
    const address = { name: 'Ana', line1: 'Calle 1', line2: '', city: 'Vigo', region: '', postalCode: '36201', country: 'ES' }
    const command = aCommand({ address, metadata: { channel: 'web' }, expectedTotalMinor: 1000, freightMinor: 5, idempotencyKey: '' })
    const order = newOrder(command)
    const [row] = await store.acceptOrders(db, [order], LEASE_MS)
    const back = await stored(order.id)
    expect(back).toEqual({ ...order, created_at: row?.created_at, updated_at: row?.created_at, due_at: row?.due_at })
    expect(back).toMatchObject({ idempotency_key: null, expected_total_minor: 1000, address: { postal_code: '36201' } })
    expect(Number(row?.due_at) - Number(row?.created_at)).toBe(LEASE_MS)
    expect(await types(order.id)).toEqual(['order.accepted'])
  })

  it('is left alone by a second one with its id or its key', async () => {
    const order = await accepted()
    const sameId = newOrder(aCommand({ orderId: order.id }))
    const sameKey = newOrder(aCommand({ idempotencyKey: order.idempotency_key ?? '' }))
    const fresh = newOrder(aCommand())
    expect((await store.acceptOrders(db, [sameId, sameKey, fresh], LEASE_MS)).map((row) => row.id)).toEqual([fresh.id])
    expect(await stored(order.id)).toEqual(order)
    expect(await types(order.id)).toEqual(['order.accepted'])
  })
})

describe('saving a change', () => {
  it('writes the change and its event together, and raises the version', async () => {
    const order = await accepted()
    const change = confirm({ ...order, total_minor: 1000, currency: 'EUR' }, [aShipment(order)])
    const [saved] = await store.saveChanges(db, [change], LEASE_MS)
    expect(saved).toMatchObject({ version: 2, due_at: null })
    expect(await stored(order.id)).toEqual({ ...change.order, version: 2, due_at: null, updated_at: expect.any(Date) })
    expect(await types(order.id)).toEqual(['order.accepted', 'order.confirmed'])
  })

  it.each([
    ['version', { version: 7 }],
    ['epoch', { epoch: 9 }],
  ])('from another %s writes neither the change nor the event', async (_what, stale) => {
    const order = await accepted()
    expect(await store.saveChanges(db, [confirm({ ...order, ...stale }, [])], LEASE_MS)).toEqual([null])
    expect(await stored(order.id)).toEqual(order)
    expect(await types(order.id)).toEqual(['order.accepted'])
  })

  it('writes neither when the event can not be written', async () => {
    const order = await accepted()
    await db.query(sql`alter table order_events add constraint no_test_events check (type <> 'order.cancel_requested') not valid`)
    await expect(store.saveChanges(db, [requestCancel(order, 'why')], LEASE_MS)).rejects.toThrow(/no_test_events/)
    await db.query(sql`alter table order_events drop constraint no_test_events`)
    expect(await stored(order.id)).toEqual(order)
  })

  it('of two changes of one order in one batch writes the first, and says so', async () => {
    const order = await accepted()
    const saved = await store.saveChanges(db, [requestCancel(order, 'why'), confirm(order, [])], LEASE_MS)
    expect(saved.map((result) => result !== null)).toEqual([true, false])
    expect(await stored(order.id)).toMatchObject({ status: 'pending', work: 'cancel', version: 2 })
    expect(await types(order.id)).toEqual(['order.accepted', 'order.cancel_requested'])
  })

  it('of a stale and a current change of one order in one batch writes the current one, whichever comes first', async () => {
    for (const turn of [0, 1]) {
      const order = await accepted()
      await store.saveChanges(db, [requestCancel(order, '')], LEASE_MS)
      const changes = [requestCancel(order, 'stale'), refuseCancel({ ...(await stored(order.id)) }, 'gone')]
      const saved = await store.saveChanges(db, turn ? [...changes].reverse() : changes, LEASE_MS)
      expect(saved.map((result) => result?.version ?? null)).toEqual(turn ? [3, null] : [null, 3])
      expect((await types(order.id)).at(-1)).toBe('order.cancel_refused')
    }
  })

  it('answers many in the order asked, each for itself', async () => {
    const [a, b, c] = [await accepted(), await accepted(), await accepted()]
    const saved = await store.saveChanges(db, [confirm(c, []), confirm({ ...a, version: 3 }, []), confirm(b, [])], LEASE_MS)
    expect(saved.map((result) => result?.version ?? null)).toEqual([2, null, 2])
    expect((await Promise.all([a, b, c].map(({ id }) => stored(id)))).map((order) => order.status)).toEqual([
      'pending',
      'confirmed',
      'confirmed',
    ])
  })

  it('of two at once from two connections lets one win', async () => {
    for (let round = 0; round < 20; round++) {
      const order = await accepted()
      const results = await Promise.all([
        store.saveChanges(db, [confirm(order, [])], LEASE_MS),
        store.saveChanges(other, [requestCancel(order, '')], LEASE_MS),
      ])
      expect(results.flat().filter((saved) => saved !== null).length).toBe(1)
      expect((await types(order.id)).length).toBe(2)
    }
  })

  it('of many orders by two processes, in whatever order, never deadlock', async () => {
    const orders = await Promise.all(Array.from({ length: 60 }, () => accepted()))
    const reversed = orders.toReversed()
    for (let round = 0; round < 15; round++) {
      await Promise.all([
        store.saveChanges(
          db,
          orders.map((order) => requestCancel(order, '')),
          LEASE_MS,
        ),
        store.saveChanges(
          other,
          reversed.map((order) => requestCancel(order, '')),
          LEASE_MS,
        ),
        store.renewLeases(db, reversed, LEASE_MS),
        store.renewLeases(other, orders, LEASE_MS),
      ])
      for (const order of orders) Object.assign(order, await stored(order.id))
    }
  })

  it('keeps a parked order until its time', async () => {
    const order = await accepted()
    const waiting = { service: 'payment', trouble: 'unavailable', reason: 'down', now: NOON, random: 0 } as const
    await store.saveChanges(db, [{ ...park(order, waiting), dueInMs: 30_000 }], LEASE_MS)
    const back = await stored(order.id)
    expect(back).toMatchObject({ work: 'place', attempts: 1, waiting_service: 'payment', waiting_reason: 'down', waiting_since: NOON })
    expect(Number(back.due_at) - Number(back.updated_at)).toBe(30_000)
  })

  it('leaves events that can not be changed or deleted', async () => {
    await accepted()
    await expect(db.query(sql`update order_events set type = 'x'`)).rejects.toThrow('append-only')
    await expect(db.query(sql`delete from order_events`)).rejects.toThrow('append-only')
  })
})

async function parkedFor(service: (typeof STEPS)[number]): Promise<Order> {
  const order = await accepted()
  await store.saveChanges(db, [park(order, { service, trouble: 'unavailable', reason: 'down', now: new Date(), random: 0 })], LEASE_MS)
  return stored(order.id)
}

describe('claiming due orders', () => {
  it('takes those whose time has come, oldest first, raises the epoch and gives a new lease', async () => {
    const [a, b, later] = [await accepted(), await accepted(), await accepted()]
    await makeDue(b.id)
    await makeDue(a.id)
    await db.query(sql`update orders set due_at = now() - interval '1 h' where id = ${a.id}`)
    expect((await store.claimDueOrders(db, { limit: 1, leaseMs: LEASE_MS, services: ALL })).map((order) => order.id)).toEqual([a.id])
    const [claimed] = await store.claimDueOrders(db, { limit: 10, leaseMs: LEASE_MS, services: ALL })
    expect(claimed).toMatchObject({ id: b.id, epoch: 2, version: 1 })
    expect(await store.claimDueOrders(db, { limit: 10, leaseMs: LEASE_MS, services: ALL })).toEqual([])
    expect((await stored(later.id)).epoch).toBe(1)
  })

  it('skips what another process is just taking', async () => {
    const [a, b] = [await accepted(), await accepted()]
    await makeDue(a.id)
    await makeDue(b.id)
    await db.transaction(async (tx) => {
      await tx.query(sql`select 1 from orders where id = ${a.id} for update`)
      expect((await store.claimDueOrders(other, { limit: 10, leaseMs: LEASE_MS, services: ALL })).map((order) => order.id)).toEqual([b.id])
    })
  })

  it('gives every order to exactly one of many claimers', async () => {
    const orders = await Promise.all(Array.from({ length: 40 }, () => accepted()))
    await Promise.all(orders.map(({ id }) => makeDue(id)))
    const claims = await Promise.all(
      Array.from({ length: 12 }, (_, i) => store.claimDueOrders(i % 2 ? db : other, { limit: 7, leaseMs: LEASE_MS, services: ALL })),
    )
    const rest = await store.claimDueOrders(db, { limit: 100, leaseMs: LEASE_MS, services: ALL })
    const ids = [...claims.flat(), ...rest].map((order) => order.id)
    expect([...ids].sort()).toEqual(orders.map(({ id }) => id).sort())
    for (const claim of claims) expect(claim.length).toBeLessThanOrEqual(7)
  })

  it('takes parked orders only where they wait for a service that is up, and aged ones in any case', async () => {
    const [up, down, young] = [await parkedFor('payment'), await parkedFor('shipping'), await parkedFor('shipping')]
    for (const { id } of [up, down, young]) await makeDue(id)
    const claimed = await store.claimDueOrders(db, { limit: 10, leaseMs: LEASE_MS, services: ['payment', 'inventory'] })
    expect(claimed.map((order) => order.id)).toEqual([up.id])
    await db.query(sql`update orders set created_at = now() - interval '2 h' where id = ${down.id}`)
    const aged = await store.claimAgedOrders(db, { limit: 10, leaseMs: LEASE_MS, maxAgeMs: 3_600_000 })
    expect(aged.map((order) => [order.id, order.epoch])).toEqual([[down.id, 2]])
  })

  it('takes up a parking once, and never one that has moved on', async () => {
    const [once, moved, dead] = [await parkedFor('payment'), await parkedFor('payment'), await parkedFor('payment')]
    await store.saveChanges(db, [requestCancel(moved, '')], LEASE_MS)
    const onDesk = { ...dead, dead_at: NOON, dead_reason: 'refused' }
    await store.saveChanges(db, [{ order: onDesk, dueInMs: Number.POSITIVE_INFINITY, event: null }], LEASE_MS)
    const messages = [once, moved, dead, { ...dead, version: 3 }].map(({ id, version, epoch }) => ({ order_id: id, version, epoch }))
    const claims = await Promise.all([store.claimParkedOrders(db, messages, LEASE_MS), store.claimParkedOrders(other, messages, LEASE_MS)])
    expect(claims.flat().map((order) => [order.id, order.epoch])).toEqual([[once.id, 2]])
    expect(await store.claimParkedOrders(db, messages, LEASE_MS)).toEqual([])
  })

  it('makes the former owner’s writes void', async () => {
    const order = await accepted()
    await makeDue(order.id)
    const [claimed] = await store.claimDueOrders(other, { limit: 10, leaseMs: LEASE_MS, services: ALL })
    expect(await store.saveChanges(db, [requestCancel(order, '')], LEASE_MS)).toEqual([null])
    expect(await store.saveChanges(other, [confirm(claimed as Order, [])], LEASE_MS)).toMatchObject([{ version: 2, due_at: null }])
  })
})

describe('renewing a lease', () => {
  it('lengthens it for its owner only, and never gives work to an order that has none', async () => {
    const [mine, taken, ended] = [await accepted(), await accepted(), await accepted()]
    await store.saveChanges(db, [confirm(ended, [])], LEASE_MS)
    await store.renewLeases(db, [mine, { ...taken, epoch: 0 }, ended], LEASE_MS * 10)
    expect(Number((await stored(mine.id)).due_at) - Number(mine.due_at)).toBeGreaterThan(LEASE_MS * 8)
    expect((await stored(taken.id)).due_at).toEqual(taken.due_at)
    expect((await stored(ended.id)).due_at).toBeNull()
  })
})

describe('work that only a newer version knows', () => {
  it('is left to its processes, due, parked or old', async () => {
    // As the newer version's migration has it.
    await db.query(sql`alter table orders drop constraint orders_work_check`)
    const [due, parked] = [await accepted(), await accepted()]
    await db.query(sql`update orders set work = 'insure', due_at = now() - interval '1 s' where id = ${due.id}`)
    await db.query(sql`
      update orders set work = 'insure', waiting_service = 'payment', waiting_since = now() - interval '2 h', created_at = now() - interval '2 h',
             due_at = now() - interval '1 s'
      where id = ${parked.id}`)
    const known = await accepted()
    await makeDue(known.id)
    const claimed = await store.claimDueOrders(db, { limit: 10, leaseMs: LEASE_MS, services: ALL })
    expect(claimed.map(({ id }) => id)).toEqual([known.id])
    const { version, epoch } = await stored(parked.id)
    expect(await store.claimAgedOrders(db, { limit: 10, leaseMs: LEASE_MS, maxAgeMs: 3_600_000 })).toEqual([])
    expect(await store.claimParkedOrders(db, [{ order_id: parked.id, version, epoch }], LEASE_MS)).toEqual([])
    expect(await store.claimWaitingOrders(db, [parked.id], { service: 'payment', leaseMs: LEASE_MS })).toEqual([])
  })
})
