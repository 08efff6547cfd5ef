import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type ReleaseCommand, releaseCharges } from '../../src/payment/release.ts'
import { newId } from '../../src/platform/ids.ts'
import { sql } from '../../src/platform/postgres.ts'
import { command, kinds } from './desk.ts'
import { openBooks, outcomes } from './two-books.ts'

/** Charges whose orders were lost by a restore: the provider has them, and our book never had. */

let desk: Awaited<ReturnType<typeof openBooks>>
beforeAll(async () => {
  desk = await openBooks()
})
afterEach(() => desk.expectAgreement())
afterAll(() => desk.drop())

async function lost({ captured = false, refunded = 0 } = {}): Promise<string> {
  const orderId = newId()
  const charge = { key: `auth:${orderId}`, orderRef: orderId, method: 'credit_card', token: '', amountMinor: 1_250, currency: 'EUR' }
  const [answer] = await desk.provider.authorise([charge])
  const ref = answer?.kind === 'approved' ? answer.ref : ''
  const money = { ref, amountMinor: 1_250, currency: 'EUR' }
  if (captured) await desk.provider.capture([{ ...money, key: `capture:${orderId}` }])
  if (refunded > 0) await desk.provider.refund([{ ...money, key: `refund:${orderId}:r1`, amountMinor: refunded }])
  return orderId
}
const release = (orderId: string, more: Partial<ReleaseCommand> = {}, context = desk.a.context) =>
  releaseCharges(context, [{ orderId, requestId: 'r', reason: 'restored', askedBy: 'key', refundCaptured: false, dryRun: false, ...more }])
const records = (orderId: string) =>
  desk.db.query(sql`select ref, status, amount_minor, reason, asked_by from released_charges where order_id = ${orderId}`)

describe('the charge of an order that does not exist', () => {
  it('is found by the reconciler, voided on request, on record with who and why, and then the books agree', async () => {
    const orderId = await lost()
    expect(outcomes(await desk.run(), orderId)).toEqual(['missing_here raised'])
    expect(await release(orderId)).toMatchObject([
      { kind: 'done', value: { orderId, charge: { status: 'authorised', amountMinor: 1_250 } } },
    ])
    expect(await desk.charges(orderId)).toMatchObject([{ status: 'voided' }])
    expect(await desk.movements(orderId)).toEqual(['authorised 1250', 'voided 1250'])
    expect(await records(orderId)).toMatchObject([{ status: 'authorised', amount_minor: 1_250, reason: 'restored', asked_by: 'key' }])
    expect(outcomes(await desk.run(), orderId)).toEqual([])
  })
  it('is let go once, however often and by however many it is asked for', async () => {
    const orderId = await lost()
    const answers = await Promise.all([release(orderId), release(orderId, {}, desk.b.context), release(orderId)])
    expect(kinds(answers.flat())).toEqual(['done', 'done', 'done'])
    expect(kinds(await release(orderId))).toEqual(['done'])
    expect(await desk.movements(orderId)).toEqual(['authorised 1250', 'voided 1250'])
    expect(await records(orderId)).toHaveLength(1)
  })
  it('is left alone when it is captured, and refunded when that is asked for, less what was given back before', async () => {
    const [whole, part, all] = [
      await lost({ captured: true }),
      await lost({ captured: true, refunded: 250 }),
      await lost({ captured: true, refunded: 1_250 }),
    ]
    expect(kinds(await release(whole))).toEqual(['charge_captured'])
    expect(await desk.status(whole)).toBeUndefined()
    for (const orderId of [whole, part, all]) {
      expect(kinds(await release(orderId, { refundCaptured: true }))).toEqual(['done'])
      expect(kinds(await release(orderId, { refundCaptured: true }))).toEqual(['done'])
      expect(await desk.charges(orderId)).toMatchObject([{ status: 'captured', refunded_minor: 1_250 }])
      expect(await desk.status(orderId)).toBe('refunded')
    }
    expect(await desk.movements(part)).toEqual(['authorised 1250', 'captured 1250', 'refunded 250', 'refunded 1000'])
  })
  it('is not touched by a dry run, nor without a reason', async () => {
    const orderId = await lost()
    const before = await desk.everything()
    expect(kinds(await release(orderId, { dryRun: true, reason: '' }))).toEqual(['done'])
    expect(kinds(await release(orderId, { reason: '' }))).toEqual(['invalid_release'])
    expect(await desk.everything()).toEqual(before)
    await release(orderId)
  })
  it.each(['before', 'after'] as const)('is let go by the resolver when we die %s the provider has voided it', async (when) => {
    const orderId = await lost()
    const { dying, whenDead } = desk.dies('void', when)
    void release(orderId, {}, dying.context)
    await whenDead
    expect(await desk.status(orderId)).toBe('voiding')
    await desk.look()
    expect(await desk.status(orderId)).toBe('voided')
    expect(await desk.charges(orderId)).toMatchObject([{ status: 'voided' }])
  })
  it.each(['before', 'after'] as const)('is refunded once when we die %s the provider has refunded it', async (when) => {
    const orderId = await lost({ captured: true })
    const { dying, whenDead } = desk.dies('refund', when)
    void release(orderId, { refundCaptured: true }, dying.context)
    await whenDead
    await desk.look()
    expect(await desk.charges(orderId)).toMatchObject([{ status: 'captured', refunded_minor: 1_250 }])
    expect(await desk.movements(orderId)).toEqual(['authorised 1250', 'captured 1250', 'refunded 1250'])
  })
  it('is unknown while the provider does not say, and nothing is written', async () => {
    const orderId = await lost()
    const silent = desk.with(() => ({ readCharges: () => Promise.reject(new Error('timed out')) }))
    expect(kinds(await release(orderId, {}, silent.context))).toEqual(['unknown'])
    expect(await desk.status(orderId)).toBeUndefined()
    const stubborn = desk.with(() => ({ void: () => Promise.reject(new Error('timed out')) }))
    expect(kinds(await release(orderId, {}, stubborn.context))).toEqual(['unknown'])
    expect(kinds(await release(orderId))).toEqual(['done'])
  })
  it('refuses the order from then on, should it come after all, whatever it had', async () => {
    const [voided, refunded] = [await lost(), await lost({ captured: true })]
    await release(voided)
    await release(refunded, { refundCaptured: true })
    for (const orderId of [voided, refunded]) expect(kinds(await desk.a.authorise(command({ orderId })))).toEqual(['payment_voided'])
    expect(await desk.charges(voided)).toMatchObject([{ status: 'voided' }])
  })
})

describe('the charge of an order that has a payment', () => {
  it('is never touched, whatever state it is in', async () => {
    const [authorised, captured, asked] = [command(), command(), command({ token: 'tok_timeout_after' })]
    await desk.a.authorise(authorised, captured, asked)
    await desk.a.capture(captured.orderId)
    for (const { orderId } of [authorised, captured, asked])
      expect(kinds(await release(orderId, { refundCaptured: true }))).toEqual(['has_payment'])
    expect(await desk.charges(authorised.orderId)).toMatchObject([{ status: 'authorised' }])
    expect(await desk.charges(captured.orderId)).toMatchObject([{ status: 'captured', refunded_minor: 0 }])
    expect(await desk.charges(asked.orderId)).toMatchObject([{ status: 'authorised' }])
    await desk.a.authorise(asked)
  })
  it('nor is one that is just being made', async () => {
    for (let i = 0; i < 20; i++) {
      const order = command()
      const [answers] = await Promise.all([desk.a.authorise(order), release(order.orderId, {}, desk.b.context)])
      expect(kinds(answers)).toEqual(['done'])
      expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'authorised' }])
      expect(await records(order.orderId)).toEqual([])
    }
  })
})

it('what the provider does not hold is refused', async () => {
  expect(kinds(await release(newId()))).toEqual(['no_charge'])
  expect(kinds(await release('no id'))).toEqual(['invalid_release'])
  const orderId = await lost()
  await desk.tamper(orderId, 'voided')
  expect(kinds(await release(orderId))).toEqual(['no_charge'])
  await desk.db.query(sql`delete from simulated_provider.charges where order_ref = ${orderId}`)
})
