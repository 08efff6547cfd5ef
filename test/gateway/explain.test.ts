import { describe, expect, it } from 'vitest'
import { explain } from '../../src/gateway/explain.ts'
import type { OrderEvent } from '../../src/gen/comanda/v1/orders.ts'
import { ID, orderOf } from './fakes.ts'

const NOON = new Date('2026-01-01T12:00:00Z')
const minutesAgo = (minutes: number) => new Date(NOON.getTime() - minutes * 60_000)
const event = (type: string, data: object = {}): OrderEvent => ({ id: 1, type, at: minutesAgo(9), data: JSON.stringify(data) })
const order = (more: Parameters<typeof orderOf>[1]) => orderOf({ orderId: ID }, more)

describe('an order explained', () => {
  it('while it waits: for whom, since when, what for, and when it is tried again', () => {
    const waiting = { work: 'place', service: 'payment', reason: 'payment is down', attempts: 3, since: minutesAgo(5), nextTryAt: NOON }
    const told = explain(
      order({ waiting }),
      [event('order.accepted'), event('order.parked', { work: 'place', waits_for: 'payment', reason: 'payment is down' })],
      NOON,
    )
    expect(told.waits_for).toBe('It waits for 5 min for payment, to be placed: payment is down. Tried 3 times.')
    expect(told.summary).toContain('can not be lost')
    expect(told.happened.map(({ text }) => text)).toEqual([
      'The order was taken and stored.',
      'It could not be placed and began to wait for payment: payment is down.',
    ])
    expect(told.next).toContain('as soon as payment is back')
    expect(told.next_at).toBe(NOON.toISOString())
  })

  it('on the desk: that nothing happens by itself', () => {
    const waiting = {
      work: 'undo',
      service: 'inventory',
      reason: 'odd',
      attempts: 10,
      since: minutesAgo(60),
      deadSince: minutesAgo(1),
      deadReason: 'refused',
    }
    const told = explain(order({ status: 'rejected', rejection: { code: 'payment_declined', message: 'no money' }, waiting }), [], NOON)
    expect(told.summary).toBe(
      'The order was rejected: no money. It lies on the dead-letter desk, waiting to have what was done for it undone, after 10 tries (inventory: odd).',
    )
    expect(told.next).toContain('somebody must retry or cancel it')
    expect(told.next_at).toBeNull()
  })

  it.each([
    ['confirmed', {}, 'dispatched'],
    ['dispatched', { shipments: [{ status: 'dispatched' }, { status: 'created' }] }, 'delivered'],
    ['delivered', {}, 'ended'],
    ['cancelled', { cancelReason: 'gave_up' }, 'ended'],
    ['pending', {}, 'being placed'],
  ])('that is %s says what comes next', (status, more, word) => {
    const told = explain(order({ status, ...more }), [], NOON)
    expect(told.next).toContain(word)
    expect(told.waits_for).toBeNull()
    if (status === 'dispatched') expect(told.summary).toContain('1 of 2 shipments has left')
    if (status === 'cancelled') expect(told.summary).toContain('could not be placed for too long')
  })

  it('names who acted from the desk and why, and shows an event it does not know by its name', () => {
    const events = [event('order.retried', { actor: 'ana', reason: 'mended' }), event('order.from_the_future')]
    expect(explain(order({ status: 'confirmed' }), events, NOON).happened.map(({ text }) => text)).toEqual([
      'ana took it from the dead-letter desk to be tried again: mended.',
      'order.from_the_future',
    ])
  })
})
