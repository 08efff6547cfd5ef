import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { confirm, type Order, reject, requestCancel } from '../../src/orders/order.ts'
import { cancelDead, netDelayMs, park, retryDead, retryDelayMs, type Trouble } from '../../src/orders/parking.ts'
import { anOrder, confirmedOrder, NOON } from './examples.ts'

const HOUR = 3_600_000
const limits = { maxAgeMs: 24 * HOUR, maxAttempts: 3 }
const later = (ms: number) => new Date(NOON.getTime() + ms)

function waitFor(order: Order, trouble: Trouble, { now = NOON, reason = 'down', random = 0 } = {}) {
  return park(order, { service: 'payment', trouble, reason, now, random, limits })
}

describe('parking', () => {
  it('counts the tries, keeps the time of the first, and tells of it once', () => {
    const first = waitFor(anOrder(), 'unknown')
    expect(first).toMatchObject({
      dueInMs: 200,
      order: { attempts: 1, waiting_service: 'payment', waiting_since: NOON, status: 'pending' },
      event: { type: 'order.parked' },
    })
    const second = waitFor(first.order, 'unknown', { reason: 'still down', now: later(5_000) })
    expect(second).toMatchObject({ order: { attempts: 2, waiting_since: NOON, waiting_reason: 'still down' }, event: null })
  })

  it('goes to the fallback queue only for a service that is away', () => {
    const troubles: Trouble[] = ['unavailable', 'unknown', 'refused', 'unforeseen']
    expect(troubles.map((trouble) => waitFor(anOrder(), trouble).parkedFor)).toEqual(['payment', undefined, undefined, undefined])
  })

  it('begins to count anew for another service', () => {
    const [order] = [waitFor(anOrder(), 'unavailable').order]
    expect(park(order, { service: 'shipping', trouble: 'unavailable', reason: '', now: later(9), random: 0, limits }).order).toMatchObject({
      attempts: 1,
      waiting_since: later(9),
    })
  })

  it('is over once anything is decided', () => {
    const { order } = waitFor(anOrder(), 'unavailable')
    for (const change of [confirm(order, []), reject(order, { by: 'payment', code: 'x', message: '' }), requestCancel(order, '')]) {
      expect(change.order).toMatchObject({ attempts: 0, waiting_service: null, waiting_since: null, waiting_reason: null })
    }
  })

  it('waits longer and longer, never longer than 15.2 s and never less than 0.2 s', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5_000 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempts, random) => {
        const delay = retryDelayMs(attempts, random)
        expect(Number.isInteger(delay)).toBe(true)
        expect(delay).toBeGreaterThanOrEqual(200)
        expect(delay).toBeLessThanOrEqual(15_200)
        expect(retryDelayMs(attempts + 1, random)).toBeGreaterThanOrEqual(delay)
        expect(netDelayMs(random)).toBeGreaterThanOrEqual(10_000)
        expect(netDelayMs(random)).toBeLessThan(20_000)
      }),
    )
    expect(retryDelayMs(0, 0.999)).toBeLessThan(700)
  })
})

describe('patience', () => {
  it('ends for an order that is still not placed after a day: it is called off, and says why', () => {
    const waiting = waitFor(anOrder(), 'unavailable').order
    expect(waitFor(waiting, 'unavailable', { now: later(24 * HOUR) }).order.work).toBe('place')
    expect(waitFor(waiting, 'unavailable', { now: later(24 * HOUR + 1) })).toMatchObject({
      order: { work: 'cancel', cancel_reason: 'gave_up', waiting_service: null, status: 'pending' },
      dueInMs: 0,
      event: { type: 'order.given_up', data: { waited_for: 'payment', reason: 'down' } },
    })
  })

  it.each(['undo', 'cancel', 'settle'] as const)('ends for %s after a day of waiting: it lies on the desk', (work) => {
    const waiting = waitFor(confirmedOrder({ work }), 'unavailable').order
    expect(waitFor(waiting, 'unavailable', { now: later(24 * HOUR) }).order.dead_at).toBeNull()
    const change = waitFor(waiting, 'unavailable', { now: later(24 * HOUR + 1) })
    expect(change).toMatchObject({
      order: { work, dead_at: later(24 * HOUR + 1), dead_reason: 'too_old', waiting_service: 'payment', attempts: 2 },
      dueInMs: Number.POSITIVE_INFINITY,
      event: { type: 'order.dead', data: { why: 'too_old', reason: 'down' } },
    })
    expect(change.parkedFor).toBeUndefined()
  })

  it.each([
    ['refused', 'refused'],
    ['unforeseen', 'unforeseen_error'],
  ] as const)('ends when the same is %s again and again', (trouble, why) => {
    let order = anOrder()
    for (let tries = 1; tries < limits.maxAttempts; tries++) order = waitFor(order, trouble).order
    expect(order.dead_at).toBeNull()
    expect(waitFor(order, trouble).order).toMatchObject({ dead_reason: why, attempts: limits.maxAttempts, status: 'pending' })
  })

  it.each(['unavailable', 'unknown'] as const)('never ends for tries that were %s, however many', (trouble) => {
    let order = anOrder()
    for (let tries = 0; tries < 50; tries++) order = waitFor(order, trouble).order
    expect(order).toMatchObject({ dead_at: null, work: 'place', attempts: 50 })
  })
})

describe('on the desk', () => {
  const hand = { actor: 'ana', reason: 'payment is mended' }
  const dead = () => anOrder({ dead_at: NOON, dead_reason: 'refused', attempts: 3, waiting_service: 'payment', waiting_since: NOON })

  it('retried, it begins as if it had never waited', () => {
    const change = retryDead(dead(), hand)
    expect(change).toMatchObject({
      order: { dead_at: null, dead_reason: null, attempts: 0, waiting_service: null, work: 'place' },
      event: { type: 'order.retried', data: hand },
    })
    expect(change.dueInMs).toBeGreaterThan(0)
  })

  it('cancelled, it is to be called off, by whom and why', () => {
    expect(cancelDead(dead(), hand)).toMatchObject({
      order: { dead_at: null, work: 'cancel', cancel_reason: hand.reason },
      event: { type: 'order.cancel_requested', data: hand },
    })
  })

  it('cancelled by its customer, it leaves the desk', () => {
    expect(requestCancel(dead(), 'changed my mind').order).toMatchObject({ dead_at: null, dead_reason: null, work: 'cancel' })
  })
})
