import { expect } from 'vitest'
import type { PaymentContext } from '../../src/payment/context.ts'
import { type ReconcileOptions, type Report, reconcile } from '../../src/payment/reconcile/reconcile.ts'
import { sql } from '../../src/platform/postgres.ts'
import { command, openDesk } from './desk.ts'

/** A desk with a reconciler, and with someone who changes the provider's book behind our back. */
export async function openBooks() {
  const desk = await openDesk()
  const { db } = desk
  const run = (options: Partial<ReconcileOptions> = {}, context: PaymentContext = desk.b.context) =>
    reconcile(context, { since: null, ...options })
  const open = () =>
    db.query<{ kind: string; order_id: string | null }>(sql`select kind, order_id from discrepancies where resolved_at is null`)
  return {
    ...desk,
    run,
    open,
    tamper: (orderId: string, status: string) =>
      db.query(sql`update simulated_provider.charges set status = ${status} where order_ref = ${orderId}`),
    everything: async () => ({
      payments: await db.query(sql`select * from payments order by order_id`),
      charges: await db.query(sql`select * from simulated_provider.charges order by ref`),
      operations: await db.query(sql`select * from simulated_provider.operations order by key`),
      movements: await db.query(sql`select * from money_movements order by id`),
      discrepancies: await db.query(sql`select * from discrepancies order by id`),
      outbox: await db.query(sql`select * from outbox order by order_id`),
    }),
    /** A charge that appeared when nobody of ours was left to see it: its payment is voided. */
    async lateCharge(): Promise<string> {
      const order = command({ token: 'tok_timeout_before' })
      await desk.a.authorise(order)
      await desk.with(() => ({}), { notFoundIsFinalAfterMs: 0 }).void(order.orderId)
      const charge = { orderRef: order.orderId, method: 'credit_card', token: '', amountMinor: 1_250, currency: 'EUR' }
      await desk.provider.authorise([{ ...charge, key: `auth:${order.orderId}` }])
      await desk.age()
      return order.orderId
    },
    /** The books agree, and the reconciler says so. */
    async expectAgreement() {
      await desk.expectBalance()
      await desk.age()
      expect((await run()).counts).toMatchObject({ repaired: 0, raised: 0, not_told: 0 })
      expect(await open()).toEqual([])
    },
  }
}

export const outcomes = (report: Report, orderId: string) =>
  report.findings.filter((finding) => finding.order_id === orderId).map(({ kind, outcome }) => `${kind} ${outcome}`)
