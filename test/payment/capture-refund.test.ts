import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { command, type Instance, kinds, openDesk } from './desk.ts'

let desk: Awaited<ReturnType<typeof openDesk>>
beforeAll(async () => {
  desk = await openDesk()
})
afterEach(() => desk.expectBalance())
afterAll(() => desk.drop())

/** An authorised order; captured too where asked. */
async function order({
  captured = 'no',
  ...changes
}: Partial<Parameters<typeof command>[0]> & { captured?: 'yes' | 'no' } = {}): Promise<string> {
  const asked = command(changes)
  expect(kinds(await desk.a.authorise(asked))).toEqual(['done'])
  if (captured === 'yes') expect(kinds(await desk.a.capture(asked.orderId))).toEqual(['done'])
  return asked.orderId
}
/** An instance whose provider does the work of `method` and then loses the answer. */
const losing = (method: 'capture' | 'refund'): Instance =>
  desk.with((provider) => ({
    [method]: async (requests: never) => {
      await provider[method](requests)
      throw new Error('socket hang up')
    },
  }))

describe('capture', () => {
  it('takes the money once, also for duplicates, repeats and two instances at once', async () => {
    const ids = await Promise.all([order(), order({ amountMinor: 77 })])
    const answers = await Promise.all([desk.a.capture(...ids, ...ids), desk.b.capture(...[...ids].reverse())])
    expect(new Set(kinds(answers.flat()))).toEqual(new Set(['done']))
    expect(await desk.charges(ids[1])).toMatchObject([{ status: 'captured', amount_minor: 77 }])
    expect(await desk.movements(ids[1])).toEqual(['authorised 77', 'captured 77'])
  })
  it('of cash and of nothing needs no provider', async () => {
    const ids = await Promise.all([order({ method: 'cash_on_delivery' }), order({ amountMinor: 0 })])
    expect(kinds(await desk.with(() => ({ capture: () => Promise.reject(new Error('asked')) })).capture(...ids))).toEqual(['done', 'done'])
  })
  it('refuses what is voided, declined, not decided or not there', async () => {
    const [voided, declined, open] = [await order(), command({ token: 'tok_declined' }), command({ token: 'tok_timeout_before' })]
    await desk.a.void(voided)
    await desk.a.authorise(declined, open)
    const answers = await desk.a.capture(voided, declined.orderId, open.orderId, newId(), 'not-a-uuid')
    expect(kinds(answers)).toEqual([
      'payment_voided',
      'payment_not_authorised',
      'payment_not_authorised',
      'unknown_payment',
      'unknown_payment',
    ])
  })
  it('whose answer was lost is finished by a repeat, and wins over a void that comes between', async () => {
    const [one, two, three] = await Promise.all([order(), order(), order()])
    expect(kinds(await losing('capture').capture(one, two, three))).toEqual(['unknown', 'unknown', 'unknown'])
    expect(await desk.status(one)).toBe('capturing')
    expect(kinds(await desk.b.capture(one))).toEqual(['done'])
    expect(kinds(await desk.b.void(two))).toEqual(['payment_captured'])
    expect(await desk.b.refund(three, 'r1', 50)).toMatchObject({ kind: 'done', value: { captured_minor: 1_250, refunded_minor: 50 } })
  })
  it('that the provider declines leaves the payment authorised, to be voided', async () => {
    const id = await order()
    const stubborn = desk.with(() => ({
      capture: async (requests) => requests.map(() => ({ kind: 'declined' as const, code: 'expired', message: 'expired' })),
    }))
    expect(kinds(await stubborn.capture(id))).toEqual(['capture_declined'])
    expect(kinds(await desk.a.void(id))).toEqual(['done'])
  })
  it('races with void: one of them wins and both say so', async () => {
    const ids = await Promise.all(Array.from({ length: 30 }, () => order()))
    const [captures, voids] = await Promise.all([desk.a.capture(...ids), desk.b.void(...[...ids].reverse())])
    const voidsInOrder = [...voids].reverse()
    ids.forEach((_, i) => {
      expect([
        ['done', 'payment_captured'],
        ['payment_voided', 'done'],
      ]).toContainEqual([kinds([captures[i]])[0], kinds([voidsInOrder[i]])[0]])
    })
  })
})

describe('refund', () => {
  it('gives back in parts until all is back', async () => {
    const id = await order({ captured: 'yes' })
    expect(await desk.a.refund(id, 'r1', 1_000)).toMatchObject({ kind: 'done', value: { status: 'captured', refunded_minor: 1_000 } })
    expect(await desk.a.refund(id, 'r2', 251)).toMatchObject({ kind: 'refused', code: 'refund_too_large' })
    expect(await desk.a.refund(id, 'r3', 250)).toMatchObject({ kind: 'done', value: { status: 'refunded', refunded_minor: 1_250 } })
    expect(await desk.movements(id)).toEqual(['authorised 1250', 'captured 1250', 'refunded 1000', 'refunded 250'])
    expect(kinds(await desk.a.capture(id))).toEqual(['done'])
  })
  it('gives the stored answer to a repeat, also to a refusal, and refuses another amount under the same key', async () => {
    const id = await order({ captured: 'yes' })
    await desk.a.refund(id, 'big', 9_999)
    await desk.a.refund(id, 'r1', 10)
    expect(kinds([await desk.b.refund(id, 'r1', 10), await desk.b.refund(id, 'big', 9_999), await desk.b.refund(id, 'r1', 11)])).toEqual([
      'done',
      'refund_too_large',
      'payment_mismatch',
    ])
    expect(await desk.read(id)).toMatchObject({ refunded_minor: 10 })
  })
  it('never gives back more than was taken when many refunds arrive at once at two instances', async () => {
    const id = await order({ captured: 'yes', amountMinor: 1_000 })
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => (i % 2 ? desk.a : desk.b).refund(id, `r${i % 8}`, 300)))
    expect(answers.filter((answer) => answer?.kind === 'unknown')).toEqual([])
    expect(await desk.read(id)).toMatchObject({ refunded_minor: 900 })
    expect(await desk.charges(id)).toMatchObject([{ refunded_minor: 900 }])
  })
  it('whose answer was lost is finished by a repeat and counts meanwhile', async () => {
    const id = await order({ captured: 'yes' })
    expect(kinds([await losing('refund').refund(id, 'r1', 1_000)])).toEqual(['unknown'])
    expect(kinds([await desk.a.refund(id, 'r2', 251)])).toEqual(['refund_too_large'])
    expect(await desk.b.refund(id, 'r1', 1_000)).toMatchObject({ kind: 'done', value: { refunded_minor: 1_000 } })
    expect(await desk.charges(id)).toMatchObject([{ refunded_minor: 1_000 }])
  })
  it('of cash needs no provider', async () => {
    const id = await order({ method: 'cash_on_delivery', captured: 'yes' })
    expect(await desk.a.refund(id, 'r1', 1_250)).toMatchObject({ kind: 'done', value: { status: 'refunded' } })
  })
  it('refuses what was not captured, is not there, or makes no sense', async () => {
    const id = await order()
    const answers = [
      await desk.a.refund(id, 'r1', 5),
      await desk.a.refund(newId(), 'r1', 5),
      await desk.a.refund(id, '', 5),
      await desk.a.refund('x', 'r', 5),
    ]
    expect(kinds(answers)).toEqual(['payment_not_captured', 'unknown_payment', 'invalid_payment', 'invalid_payment'])
    expect(kinds([await desk.a.refund(await order({ captured: 'yes' }), 'r1', -5)])).toEqual(['invalid_payment'])
  })
})
