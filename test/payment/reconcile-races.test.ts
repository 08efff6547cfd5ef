import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type PaymentProvider, providerKey } from '../../src/payment/provider.ts'
import { judge } from '../../src/payment/reconcile/judge.ts'
import { lookTwice } from '../../src/payment/reconcile/look.ts'
import { unknown } from '../../src/platform/outcome.ts'
import { command } from './desk.ts'
import { openBooks, outcomes } from './two-books.ts'

let desk: Awaited<ReturnType<typeof openBooks>>
beforeAll(async () => {
  desk = await openBooks()
})
// Each test leaves the books as they should be.
afterEach(() => desk.expectAgreement())
afterAll(() => desk.drop())

describe('what is under way is left alone', () => {
  /** Calls `meanwhile` once, between what the reconciler reads of the provider and what it reads of us (or before both). */
  const during = (where: 'listCharges' | 'readCharges', when: 'before' | 'after', meanwhile: () => Promise<unknown>) => {
    let done = false
    const once = async () => {
      if (!done) {
        done = true
        await meanwhile()
      }
    }
    return desk.with((provider: PaymentProvider) => ({
      [where]: async (asked: never) => {
        if (when === 'before') await once()
        const answer = await provider[where](asked)
        if (when === 'after') await once()
        return answer
      },
    })).context
  }
  const quick = { settledAfterMs: 0, stuckAfterMs: 0 }

  for (const when of ['before', 'after'] as const) {
    it(`an authorise, a capture, a void and a refund that end ${when} the close look at their charges`, async () => {
      const [fresh, capture, voided, refund] = [command(), command(), command(), command()]
      await desk.a.authorise(capture, voided, refund)
      await desk.a.capture(refund.orderId)
      const context = during('readCharges', when, async () => {
        await Promise.all([desk.a.authorise(fresh), desk.a.capture(capture.orderId), desk.a.void(voided.orderId)])
        await desk.a.refund(refund.orderId, 'r1', 5)
      })
      const keys = [fresh, capture, voided, refund].map((order) => providerKey.authorise(order.orderId))
      expect(await lookTwice(context, keys, quick)).toEqual({ agreed: [], wrong: [], notSettled: keys, notTold: [] })
      expect(await lookTwice(context, keys, quick)).toMatchObject({ agreed: keys, wrong: [] })
    })
  }
  for (const where of ['listCharges', 'readCharges'] as const) {
    for (const when of ['before', 'after'] as const) {
      it(`an authorise, a capture, a void and a refund ${when} ${where}`, async () => {
        const [fresh, capture, voided, refund] = [command(), command(), command(), command()]
        await desk.a.authorise(capture, voided, refund)
        await desk.a.capture(refund.orderId)
        const meanwhile = () =>
          Promise.all([
            desk.a.authorise(fresh),
            desk.a.capture(capture.orderId),
            desk.a.void(voided.orderId),
            desk.a.refund(refund.orderId, 'r1', 5),
          ])
        // A difference makes the reconciler look closely, at these too.
        const stray = await desk.lateCharge()
        const report = await desk.run(quick, during(where, when, meanwhile))
        expect(report.counts.raised).toBe(0)
        expect(await desk.charges(stray)).toMatchObject([{ status: 'voided' }])
        const charges = await Promise.all([fresh, capture, voided, refund].map(async (order) => (await desk.charges(order.orderId))[0]))
        expect(charges).toMatchObject([
          { status: 'authorised' },
          { status: 'captured' },
          { status: 'voided' },
          { status: 'captured', refunded_minor: 5 },
        ])
      })
    }
  }
  it('an authorise whose intent is not committed yet when the list is read', async () => {
    const orders = Array.from({ length: 30 }, () => command())
    const busy = Promise.all(orders.map((order) => desk.a.authorise(order)))
    const reports = []
    for (let i = 0; i < 6; i++) reports.push(await desk.run(quick))
    await busy
    expect(reports.map((report) => report.counts.raised)).toEqual(Array(6).fill(0))
    for (const { orderId } of orders) expect(await desk.status(orderId)).toBe('authorised')
  })
  it('everything at once, again and again: nothing is raised, nothing of a live payment is voided', async () => {
    const orders = Array.from({ length: 60 }, (_, i) => command({ token: i % 3 ? '' : 'tok_timeout_after' }))
    const ids = orders.map((order) => order.orderId)
    const work = async () => {
      await desk.a.authorise(...orders)
      await Promise.all([desk.a.authorise(...orders), desk.look()])
      await Promise.all([desk.a.capture(...ids.slice(0, 20)), desk.b.void(...ids.slice(20, 40))])
      await Promise.all(ids.slice(0, 20).map((id) => desk.a.refund(id, 'r1', 7)))
    }
    // Not `quick`: a reconciler that comes before the authorise asks in its place, loses the answer of `tok_timeout_after`, and calls it stuck at once.
    const settled = { settledAfterMs: 0 }
    let isDone = false
    const working = work().finally(() => {
      isDone = true
    })
    while (!isDone) {
      const reports = await Promise.all([desk.run(settled), desk.run(settled, desk.a.context)])
      expect(reports.map((report) => report.counts.raised)).toEqual([0, 0])
    }
    await working
    await desk.look()
    for (const id of ids.slice(40)) expect(await desk.charges(id)).toMatchObject([{ status: 'authorised' }])
    for (const id of ids.slice(0, 20)) expect(await desk.charges(id)).toMatchObject([{ status: 'captured', refunded_minor: 7 }])
  })
  it('a charge that the reconciler had to ask for itself, whose answer it did not get: stuck only when it is old enough', async () => {
    const orders = [command({ token: 'tok_timeout_after' }), command({ token: 'tok_timeout_after' })]
    for (const order of orders) {
      const { dying, whenDead } = desk.dies('authorise', 'before')
      void dying.authorise(order)
      await whenDead
    }
    const [first, second] = orders.map((order) => [providerKey.authorise(order.orderId)]) as [string[], string[]]
    const lost = desk.with(() => ({ authorise: async (requests) => requests.map(() => unknown('timed out')) })).context
    const how = { dryRun: false, settledAfterMs: 0 }
    expect(await judge(lost, first, { ...how, stuckAfterMs: 60_000 })).toMatchObject({ findings: [], notSettled: first })
    expect(await judge(lost, second, { ...how, stuckAfterMs: 0 })).toMatchObject({
      findings: [{ kind: 'in_between', outcome: 'raised' }],
      notSettled: [],
    })
    await desk.look()
    await desk.look()
    for (const { orderId } of orders) expect(await desk.status(orderId)).toBe('authorised')
    await desk.run({ settledAfterMs: 0 })
  })
  it('what changed less than a minute ago: the provider may lag behind', async () => {
    const order = command()
    await desk.a.authorise(order)
    await desk.tamper(order.orderId, 'voided')
    const report = await desk.run()
    expect([outcomes(report, order.orderId), report.counts.not_settled]).toEqual([[], 1])
    await desk.tamper(order.orderId, 'authorised')
  })
  it('what the provider can not tell of: it is neither raised nor resolved', async () => {
    const order = command()
    await desk.a.authorise(order)
    await desk.age()
    await desk.tamper(order.orderId, 'captured')
    await desk.run()
    const mute = desk.with(() => ({ readCharges: () => Promise.reject(new Error('timed out')) }))
    expect((await desk.run({}, mute.context)).counts.not_told).toBeGreaterThan(0)
    expect(await desk.open()).toHaveLength(1)
    const down = desk.with(() => ({ listCharges: () => Promise.reject(new Error('connection refused')) }))
    await expect(desk.run({}, down.context)).rejects.toThrow('connection refused')
    await desk.tamper(order.orderId, 'authorised')
    await desk.run()
  })
})
