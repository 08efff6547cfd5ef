import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Coordinator } from '../../src/orders/coordinator.ts'
import { type Order, recordShipment, requestCancel } from '../../src/orders/order.ts'
import { park } from '../../src/orders/parking.ts'
import { type Database, openDatabase } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import type { StepName } from './examples.ts'
import { accepted, coordinatorOn, history, leasesRunOut, stored } from './running.ts'
import { pausedAt, type When, World } from './world.ts'

/**
 * A process is paused (SIGSTOP, a stuck machine) at some step until its lease has run out; another takes the order over and ends it; then the first wakes up and
 * does what it was about to do. Nothing that its successor has finished may be undone, done twice or left half undone.
 */

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

const PATIENCE = { timeout: 8_000, interval: 20 }
const ended = (id: string) => vi.waitFor(async () => expect((await stored(db, id)).work).toBeNull(), PATIENCE)

/** What must be true in the world of an order that has ended so. */
const ENDS = {
  confirmed: ['held', 'authorised', 'booked'],
  dispatched: ['committed', 'captured', 'left'],
  declined: ['released', 'declined', 'nothing'],
  carrier: ['released', 'voided', 'refused'],
  cancelled: ['released', 'voided', 'off'],
} as const

type Plot = {
  what: string
  ends: keyof typeof ENDS
  refuses?: World['refuses']
  /** Where the first process can be paused. */
  steps: StepName[]
  /** What the first process is doing then; the default: placing the order. */
  begin?: (first: Coordinator, order: Order, world: World) => Promise<Order>
  /** What happens while it sleeps, before the other takes over. */
  meanwhile?: (second: Coordinator, orderId: string, world: World) => Promise<unknown>
}

const confirmFirst = async (first: Coordinator, order: Order) => first.run(order)
const cancelIt = async (coordinator: Coordinator, id: string) => {
  const saved = await coordinator.save(requestCancel(await stored(db, id), 'changed my mind'))
  if (saved) void coordinator.run(saved)
}
const giveItUp = async (coordinator: Coordinator, id: string) => {
  const order = { ...(await stored(db, id)), created_at: new Date(0) }
  const change = park(order, { service: 'payment', trouble: 'unavailable', reason: 'payment is down', now: new Date(), random: 0 })
  expect(change.event?.type).toBe('order.given_up')
  await coordinator.save(change)
}
const tellDispatched = async (coordinator: Coordinator, id: string) => {
  const change = recordShipment(await stored(db, id), { shipmentId: `${id}-1`, status: 'dispatched' })
  const saved = change && (await coordinator.save(change))
  if (saved) void coordinator.run(saved)
}

const PLACING: StepName[] = ['reserveStock', 'authorisePayment', 'createShipments']
const PLOTS: Plot[] = [
  { what: 'placing', ends: 'confirmed', steps: PLACING },
  {
    what: 'placing one that is declined',
    ends: 'declined',
    refuses: 'authorisePayment',
    steps: ['reserveStock', 'authorisePayment', 'releaseStock'],
  },
  {
    what: 'placing one that the carrier refuses',
    ends: 'carrier',
    refuses: 'createShipments',
    steps: [...PLACING, 'voidPayment', 'releaseStock'],
  },
  { what: 'placing, while its customer cancels it at the other', ends: 'cancelled', steps: PLACING, meanwhile: cancelIt },
  {
    what: 'placing, while it grows too old and the other gives it up',
    ends: 'cancelled',
    steps: PLACING,
    meanwhile: giveItUp,
  },
  {
    what: 'cancelling',
    ends: 'cancelled',
    steps: ['cancelShipments', 'voidPayment', 'releaseStock'],
    begin: async (first, order) => first.save(requestCancel(await confirmFirst(first, order), 'changed my mind')) as Promise<Order>,
  },
  {
    what: 'cancelling, while the goods leave',
    ends: 'dispatched',
    steps: ['cancelShipments'],
    begin: async (first, order) => first.save(requestCancel(await confirmFirst(first, order), 'changed my mind')) as Promise<Order>,
    meanwhile: async (second, id, world) => {
      world.dispatch(id)
      await tellDispatched(second, id)
    },
  },
  {
    what: 'settling after dispatch',
    ends: 'dispatched',
    steps: ['commitStock', 'capturePayment'],
    begin: async (first, order, world) => {
      const confirmed = await confirmFirst(first, order)
      world.dispatch(order.id)
      return first.save(
        recordShipment(confirmed, { shipmentId: `${order.id}-1`, status: 'dispatched' }) as NonNullable<ReturnType<typeof recordShipment>>,
      ) as Promise<Order>
    },
  },
]
const CASES = PLOTS.flatMap((plot) =>
  plot.steps.flatMap((step) => (['before', 'after'] as When[]).map((when) => ({ ...plot, step, when }))),
)

describe('a process that wakes up past its lease', () => {
  // Once the goods have left, a call to shipping that was already answered "called off" is no story that can happen.
  const possible = CASES.filter(({ what, when }) => !(what === 'cancelling, while the goods leave' && when === 'after'))

  it.each(possible)('$what: paused $when $step', async ({ ends, refuses, step, when, begin, meanwhile }) => {
    const world = new World()
    world.refuses = refuses
    const { services, asleep, wake } = pausedAt(world.services, step, when)
    const first = coordinatorOn(db, services)
    const order = await accepted(db)
    const held = begin ? await begin(first, order, world) : order
    const run = first.run(held)
    await asleep
    await first.stop(0) // it sweeps no more and renews no lease: it is paused
    const second = coordinatorOn(other, world.services)
    await meanwhile?.(second, order.id, world)
    await leasesRunOut(db)
    await ended(order.id)
    const before = await stored(db, order.id)
    expect(world.of(order.id)).toEqual(ENDS[ends])

    wake()
    await run
    expect(await stored(db, order.id)).toEqual(before)
    expect(world.of(order.id)).toEqual(ENDS[ends])
    const types = await history(db, order.id)
    expect(new Set(types).size, types.join(', ')).toBe(types.length)
  })
})
