import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { sql } from '../../src/platform/postgres.ts'
import { command, kinds } from './desk.ts'
import { openBooks, outcomes } from './two-books.ts'

let desk: Awaited<ReturnType<typeof openBooks>>
beforeAll(async () => {
  desk = await openBooks()
})
// Each test leaves the books as they should be.
afterEach(() => desk.expectAgreement())
afterAll(() => desk.drop())

describe('what is safe to repair is repaired', () => {
  it('a charge that appeared after its payment was voided is voided', async () => {
    const orderId = await desk.lateCharge()
    const report = await desk.run()
    expect(outcomes(report, orderId)).toEqual(['unwanted_charge repaired'])
    expect(await desk.charges(orderId)).toMatchObject([{ status: 'voided' }])
    expect(await desk.movements(orderId)).toEqual(['authorised 1250', 'voided 1250'])
    expect(kinds(await desk.a.void(orderId))).toEqual(['done'])
  })
  it('a live charge of a payment that was declined is voided, and the payment stays refused', async () => {
    const order = command({ token: 'tok_declined' })
    await desk.a.authorise(order)
    await desk.age()
    await desk.tamper(order.orderId, 'authorised')
    expect(outcomes(await desk.run(), order.orderId)).toEqual(['unwanted_charge repaired'])
    expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'voided' }])
    expect(kinds(await desk.a.authorise(order))).toEqual(['payment_declined'])
  })
  it('an authorisation, a capture, a void and a refund whose answers were lost are recorded, each once', async () => {
    const [authorised, captured, voided, refunded] = [command({ token: 'tok_timeout_after' }), command(), command(), command()]
    await desk.a.authorise(authorised, captured, voided, refunded)
    await desk.a.capture(refunded.orderId)
    const losses = [desk.dies('capture', 'after'), desk.dies('void', 'after'), desk.dies('refund', 'after')] as const
    void losses[0].dying.capture(captured.orderId)
    void losses[1].dying.void(voided.orderId)
    void losses[2].dying.refund(refunded.orderId, 'r1', 250)
    await Promise.all(losses.map((loss) => loss.whenDead))
    await desk.age()
    const report = await desk.run()
    expect(report.counts).toMatchObject({ repaired: 4, raised: 0 })
    const statuses = await Promise.all([authorised, captured, voided, refunded].map((order) => desk.status(order.orderId)))
    expect(statuses).toEqual(['authorised', 'captured', 'voided', 'captured'])
    expect(await desk.movements(refunded.orderId)).toEqual(['authorised 1250', 'captured 1250', 'refunded 250'])
  })
  it('by whichever of two reconcilers comes first, and once', async () => {
    const late = await Promise.all(Array.from({ length: 20 }, desk.lateCharge))
    const reports = await Promise.all([desk.run({}, desk.a.context), desk.run(), desk.run({}, desk.a.context)])
    expect(reports.map((report) => report.counts.raised)).toEqual([0, 0, 0])
    for (const orderId of late) expect(await desk.movements(orderId)).toEqual(['authorised 1250', 'voided 1250'])
  })
  it('not in a dry run, which changes nothing at all and says what it would do', async () => {
    const orderId = await desk.lateCharge()
    const stray = command()
    await desk.a.authorise(stray)
    await desk.age()
    await desk.tamper(stray.orderId, 'captured')
    const before = await desk.everything()
    const report = await desk.run({ dryRun: true })
    expect(outcomes(report, orderId)).toEqual(['unwanted_charge would_repair'])
    expect(outcomes(report, stray.orderId)).toEqual(['status_differs would_raise'])
    expect(await desk.everything()).toEqual(before)
    await desk.tamper(stray.orderId, 'authorised')
    await desk.run()
  })
  it('or begun, and finished by the resolver, when the provider does not void now', async () => {
    const orderId = await desk.lateCharge()
    const stubborn = desk.with(() => ({ void: () => Promise.reject(new Error('timed out')) }))
    const report = await desk.run({}, stubborn.context)
    expect([outcomes(report, orderId), report.counts.not_settled]).toEqual([[], 1])
    expect(await desk.status(orderId)).toBe('voiding')
    await desk.look()
    expect(await desk.status(orderId)).toBe('voided')
  })
})

describe('what is not safe to repair', () => {
  it('is raised once, seen again, and resolved when it is gone', async () => {
    const lines: { level: number; alarm?: string; order_id?: string }[] = []
    const log = pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line)) })
    const context = desk.contextOf({ log })
    const order = command()
    await desk.a.authorise(order)
    await desk.age()
    await desk.tamper(order.orderId, 'captured')
    for (let i = 0; i < 3; i++) expect(outcomes(await desk.run({}, context), order.orderId)).toEqual(['status_differs raised'])
    expect(await desk.open()).toEqual([{ kind: 'status_differs', order_id: order.orderId }])
    expect(lines.filter((line) => line.alarm === 'discrepancy')).toMatchObject([{ level: 50, order_id: order.orderId }])
    expect(await desk.status(order.orderId)).toBe('authorised')
    await desk.tamper(order.orderId, 'authorised')
    await desk.run({ since: new Date() }, context)
    expect(await desk.open()).toEqual([])
    const [row] = await desk.db.query<{ first_seen: Date; last_seen: Date; resolved_at: Date }>(
      sql`select first_seen, last_seen, resolved_at from discrepancies where order_id = ${order.orderId}`,
    )
    expect(row && row.first_seen < row.last_seen && row.last_seen < row.resolved_at).toBe(true)
  })
  it('is a charge that we have no payment of, or that has a key which is none of ours: neither is touched', async () => {
    const [orderRef, foreign] = [newId(), newId()]
    const ask = { orderRef, method: 'credit_card', token: '', amountMinor: 5, currency: 'EUR' }
    await desk.provider.authorise([
      { ...ask, key: `auth:${orderRef}` },
      { ...ask, orderRef: foreign, key: 'made by hand' },
    ])
    const report = await desk.run()
    expect(report.findings.map(({ key, kind, order_id }) => [key, kind, order_id])).toEqual(
      expect.arrayContaining([
        [`auth:${orderRef}`, 'missing_here', orderRef],
        ['made by hand', 'missing_here', null],
      ]),
    )
    expect(await desk.charges(orderRef)).toMatchObject([{ status: 'authorised' }])
    await desk.db.query(sql`delete from simulated_provider.charges where order_ref = any(${[orderRef, foreign]})`)
    await desk.run()
  })
  it('is a payment whose charge the provider has lost, another amount, another refund', async () => {
    const [lost, amount, refund] = [command(), command(), command()]
    await desk.a.authorise(lost, amount, refund)
    await desk.a.capture(refund.orderId)
    await desk.age()
    await desk.db.query(sql`update simulated_provider.charges set key = 'gone' where order_ref = ${lost.orderId}`)
    await desk.db.query(sql`update simulated_provider.charges set amount_minor = 1 where order_ref = ${amount.orderId}`)
    await desk.db.query(sql`update simulated_provider.charges set refunded_minor = 1 where order_ref = ${refund.orderId}`)
    const report = await desk.run()
    expect([lost, amount, refund].map((order) => outcomes(report, order.orderId))).toEqual([
      ['missing_there raised'],
      ['amount_differs raised'],
      ['refunds_differ raised'],
    ])
    await desk.db.query(sql`update simulated_provider.charges set key = 'auth:' || order_ref where key = 'gone'`)
    await desk.db.query(sql`update simulated_provider.charges set amount_minor = 1250 where order_ref = ${amount.orderId}`)
    await desk.db.query(sql`update simulated_provider.charges set refunded_minor = 0 where order_ref = ${refund.orderId}`)
    await desk.run()
  })
  it('is a payment that stays in between though the provider was asked', async () => {
    const order = command({ token: 'tok_timeout_after' })
    await desk.a.authorise(order)
    const mute = desk.with(() => ({ lookup: () => Promise.reject(new Error('timed out')) }))
    await desk.age('2 minutes')
    expect(outcomes(await desk.run({}, mute.context), order.orderId)).toEqual([])
    await desk.age('20 minutes')
    expect(outcomes(await desk.run({ since: new Date() }, mute.context), order.orderId)).toEqual(['in_between raised'])
    await desk.look()
    await desk.run()
  })
  it('stops a reconciliation in which everything differs: those are the wrong books', async () => {
    const order = command()
    await desk.a.authorise(order)
    const elsewhere = desk.with(() => ({
      listCharges: async ({ after }) => {
        const charges = Array.from({ length: 500 }, (_, i) => {
          const key = `other shop ${after}-${i}`
          return { key, ref: key, status: 'captured' as const, amountMinor: 1, capturedMinor: 1, refundedMinor: 0, currency: 'EUR' }
        })
        return { charges, next: newId() }
      },
      readCharges: async (keys) =>
        keys.map((key) => ({
          kind: 'charge' as const,
          charge: { key, ref: key, status: 'captured' as const, amountMinor: 1, capturedMinor: 1, refundedMinor: 0, currency: 'EUR' },
        })),
    }))
    await expect(desk.run({ dryRun: true }, elsewhere.context)).rejects.toThrow('are these the books of the same shop?')
  })
})

describe('a window', () => {
  it('finds charges made in it and payments whose money moved in it, and looks at nothing else', async () => {
    const [old, moved] = [command(), command()]
    await desk.a.authorise(old, moved)
    await desk.age()
    const since = (await desk.db.query<{ now: Date }>(sql`select clock_timestamp() + interval '1 millisecond' as now`))[0]?.now as Date
    await desk.a.capture(moved.orderId)
    await desk.age()
    for (const { orderId } of [old, moved]) await desk.tamper(orderId, 'voided')
    const report = await desk.run({ since })
    expect(outcomes(report, old.orderId)).toEqual([])
    expect(outcomes(report, moved.orderId)).toEqual(['status_differs raised'])
    expect([report.charges, report.payments]).toEqual([0, 1])
    await desk.tamper(old.orderId, 'authorised')
    await desk.tamper(moved.orderId, 'captured')
    await desk.run()
  })
})
