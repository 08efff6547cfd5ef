import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { recordShipment, requestCancel } from '../../src/orders/order.ts'
import type { Services } from '../../src/orders/place-order.ts'
import { done, type Outcome, refused } from '../../src/platform/outcome.ts'
import { type Database, openDatabase } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { hanging, type StepName, scriptedServices } from './examples.ts'
import { accepted, coordinatorOn, dyingAtSave, gate, history, leasesRunOut, stored } from './running.ts'

/** A process dies or sleeps in the middle of an order; another takes the order over when the lease has run out. */

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

const PATIENCE = { timeout: 20_000, interval: 30 }
const ended = (id: string) => vi.waitFor(async () => expect((await stored(db, id)).work).toBeNull(), PATIENCE)
const carrierRefuses = { createShipments: async () => refused('carrier_refused', 'no') }

/** Runs a new order in a process that dies in `step`: asked, never answered. */
async function dieIn(step: StepName, script: Partial<Services> = {}) {
  const order = await accepted(db)
  const { call, made } = hanging<Outcome<never>>()
  const services = scriptedServices({ ...script, [step]: call })
  const first = coordinatorOn(db, services)
  void first.run(order)
  await made
  await first.stop(0)
  await leasesRunOut(db)
  return { order, first: services }
}

describe('a process that dies', () => {
  it.each(['reserveStock', 'authorisePayment', 'createShipments'] as const)(
    'in %s: another repeats the steps from the start with the same order',
    async (step) => {
      const { order } = await dieIn(step)
      const second = scriptedServices()
      coordinatorOn(other, second)
      await ended(order.id)
      expect(await stored(db, order.id)).toMatchObject({ status: 'confirmed', epoch: 2, total_minor: 1000 })
      expect(second.steps(order.id)).toEqual(['reserveStock', 'authorisePayment', 'createShipments'])
      expect(await history(db, order.id)).toEqual(['order.accepted', 'order.confirmed'])
    },
  )

  it.each([
    ['voidPayment', ['voidPayment', 'releaseStock']],
    ['releaseStock', ['voidPayment', 'releaseStock']],
  ] as const)('in %s: another undoes, and places nothing again', async (step, steps) => {
    const { order } = await dieIn(step, carrierRefuses)
    const second = scriptedServices()
    coordinatorOn(other, second)
    await ended(order.id)
    expect(await stored(db, order.id)).toMatchObject({
      status: 'rejected',
      rejection_code: 'carrier_refused',
      payment: { status: 'voided' },
    })
    expect(second.steps(order.id)).toEqual(steps)
    expect(await history(db, order.id)).toEqual(['order.accepted', 'order.rejected', 'order.undone'])
  })

  it.each(['commitStock', 'capturePayment'] as const)('in %s after dispatch: another settles', async (step) => {
    const order = await accepted(db)
    const { call, made } = hanging<Outcome<never>>()
    const first = coordinatorOn(db, scriptedServices({ [step]: call }))
    const confirmed = await first.run(order)
    const change = recordShipment(confirmed, { shipmentId: `${order.id}-1`, status: 'dispatched' })
    const saved = await first.save(change as NonNullable<typeof change>)
    void first.run(saved as NonNullable<typeof saved>)
    await made
    await first.stop(0)
    await leasesRunOut(db)
    const second = scriptedServices()
    coordinatorOn(other, second)
    await ended(order.id)
    expect(await stored(db, order.id)).toMatchObject({
      status: 'dispatched',
      payment: { status: 'captured' },
      shipments: [{ stock_committed: true }],
    })
    expect(second.steps(order.id)).toEqual(['commitStock', 'capturePayment'])
  })

  it('while it asks shipping whether a cancelled order can be stopped: another asks again and undoes', async () => {
    const order = await accepted(db)
    const { call, made } = hanging<Outcome<never>>()
    const first = coordinatorOn(db, scriptedServices({ cancelShipments: call }))
    const saved = await first.save(requestCancel(await first.run(order), 'changed my mind'))
    void first.run(saved ?? order)
    await made
    await first.stop(0)
    await leasesRunOut(db)
    const second = scriptedServices()
    coordinatorOn(other, second)
    await ended(order.id)
    expect(await stored(db, order.id)).toMatchObject({ status: 'cancelled', payment: { status: 'voided' } })
    expect(second.steps(order.id)).toEqual(['cancelShipments', 'voidPayment', 'releaseStock'])
  })

  it('just before it writes the end: another runs the order again', async () => {
    const order = await accepted(db)
    const dying = dyingAtSave(db, 'before')
    const first = coordinatorOn(dying.db, scriptedServices())
    void first.run(order)
    await dying.died
    await first.stop(0)
    await leasesRunOut(db)
    coordinatorOn(other, scriptedServices())
    await ended(order.id)
    expect(await history(db, order.id)).toEqual(['order.accepted', 'order.confirmed'])
  })

  it('just after the end is durable: nothing is left to do, and nobody does it', async () => {
    const order = await accepted(db)
    const dying = dyingAtSave(db, 'after')
    const first = coordinatorOn(dying.db, scriptedServices())
    void first.run(order)
    await dying.died
    await first.stop(0)
    await leasesRunOut(db)
    const second = scriptedServices()
    const witness = await accepted(db)
    coordinatorOn(other, second)
    await ended(witness.id) // taken over like any other; the finished one is not
    expect(await stored(db, order.id)).toMatchObject({ status: 'confirmed', epoch: 1, version: 2 })
    expect(second.steps(order.id)).toEqual([])
  })

  it('before it ever ran what it accepted: another runs it', async () => {
    const order = await accepted(db)
    coordinatorOn(other, scriptedServices())
    await ended(order.id)
    expect((await stored(db, order.id)).status).toBe('confirmed')
  })

  it('with many orders in its hands loses none of them', async () => {
    const orders = await Promise.all(Array.from({ length: 60 }, () => accepted(db)))
    const hang = hanging<Outcome<never>>()
    const first = coordinatorOn(db, scriptedServices({ authorisePayment: hang.call }))
    for (const order of orders) void first.run(order)
    await hang.made
    await first.stop(0)
    const second = scriptedServices()
    coordinatorOn(other, second)
    coordinatorOn(db, second)
    for (const order of orders) await ended(order.id)
    for (const order of orders) expect((await stored(db, order.id)).status).toBe('confirmed')
  }, 15_000)
})

describe('a process that slept while another took its order over', () => {
  it.each([
    ['would confirm', {}],
    ['would reject', carrierRefuses],
  ])('and %s changes nothing and undoes nothing', async (_what, script) => {
    const order = await accepted(db)
    const { open, passed } = gate()
    const asleep = hanging<void>()
    const services = scriptedServices({
      ...script,
      authorisePayment: async () => {
        void asleep.call()
        await passed
        return done({})
      },
    })
    const first = coordinatorOn(db, services)
    const run = first.run(order)
    await asleep.made
    await first.stop(0)
    await leasesRunOut(db)
    coordinatorOn(other, scriptedServices())
    await ended(order.id)
    const before = await stored(db, order.id)
    open()
    expect(await run).toMatchObject({ status: 'confirmed', epoch: 2 })
    expect(await stored(db, order.id)).toEqual(before)
    expect(services.steps().at(-1)).toBe('createShipments')
    expect(await history(db, order.id)).toEqual(['order.accepted', 'order.confirmed'])
  })
})

describe('an order in work longer than its lease', () => {
  it('is kept by the process that works on it, and not taken over', async () => {
    const order = await accepted(db)
    const { open, passed } = gate()
    const first = coordinatorOn(db, scriptedServices({ authorisePayment: async () => passed.then(() => done({})) }))
    const second = scriptedServices()
    coordinatorOn(other, second)
    const run = first.run(order)
    const firstLease = Number(order.due_at)
    // Renewed at least twice past the end of the first lease, with another process looking for due orders all the while.
    await vi.waitFor(async () => expect(Number((await stored(db, order.id)).due_at)).toBeGreaterThan(firstLease + 4_000), PATIENCE)
    open()
    expect(await run).toMatchObject({ status: 'confirmed', epoch: 1 })
    expect(second.steps(order.id)).toEqual([])
  })
})
