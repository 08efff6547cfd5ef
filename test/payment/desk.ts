import { expect, vi } from 'vitest'
import { authorisePayments } from '../../src/payment/authorise.ts'
import { capturePayments } from '../../src/payment/capture.ts'
import type { PaymentContext } from '../../src/payment/context.ts'
import type { AuthoriseCommand } from '../../src/payment/payment.ts'
import type { PaymentProvider } from '../../src/payment/provider.ts'
import { simulatedProvider } from '../../src/payment/providers/simulated.ts'
import { refundPayments } from '../../src/payment/refund.ts'
import { resolveOnce } from '../../src/payment/resolver.ts'
import { voidPayments } from '../../src/payment/void.ts'
import { newId } from '../../src/platform/ids.ts'
import { silentLog } from '../../src/platform/log.ts'
import { type Database, openDatabase, sql } from '../../src/platform/postgres.ts'
import { testDatabase } from '../support/database.ts'

/** Late charges appear when a test says so ({@link appear}), however busy the machine is. */
export const QUICK = { slowMs: 60, lateMs: 3_600_000, budgetMs: 10_000, patienceMs: 10 }

export const appear = (db: Database) => db.query(sql`update simulated_provider.charges set visible_at = now() where visible_at > now()`)

export const command = (changes: Partial<AuthoriseCommand> = {}): AuthoriseCommand => ({
  orderId: newId(),
  method: 'credit_card',
  token: '',
  amountMinor: 1_250,
  currency: 'EUR',
  ...changes,
})

/** One instance of the payment service, without the network. */
export function instance(context: PaymentContext) {
  return {
    context,
    authorise: (...commands: AuthoriseCommand[]) => authorisePayments(context, commands),
    capture: (...orderIds: string[]) => capturePayments(context, orderIds),
    void: (...orderIds: string[]) => voidPayments(context, orderIds),
    refund: (orderId: string, refundId: string, amountMinor: number) =>
      refundPayments(context, [{ orderId, refundId, amountMinor }]).then(([answer]) => answer),
  }
}
export type Instance = ReturnType<typeof instance>

/** A database with two instances of the service on it, each with its own connections and its own door to the simulated provider. */
export async function openDesk() {
  const database = await testDatabase('payment')
  const second = openDatabase(database.url, { max: 4 })
  const provider = simulatedProvider({ db: database.db, ...QUICK })
  const contextOf = (changes: Partial<PaymentContext> = {}): PaymentContext => ({
    db: database.db,
    provider,
    log: silentLog(),
    notFoundIsFinalAfterMs: 60_000,
    ...changes,
  })
  const read = async (orderId: string) =>
    (
      await database.db.query<{
        status: string
        captured_minor: number
        refunded_minor: number
        token: string | null
        void_requested: boolean
      }>(sql`select status, captured_minor, refunded_minor, token, void_requested from payments where order_id = ${orderId}`)
    )[0]
  /** An instance whose provider is changed by `change`. */
  const changed = (change: (provider: PaymentProvider) => Partial<PaymentProvider>, context: Partial<PaymentContext> = {}) =>
    instance(contextOf({ ...context, provider: { ...provider, ...change(provider) } }))
  const b = instance(contextOf({ db: second, provider: simulatedProvider({ db: second, ...QUICK }) }))
  return {
    db: database.db,
    provider,
    contextOf,
    a: instance(contextOf()),
    b,
    with: changed,
    /** An instance that dies when it gets to `method`: `before` the provider has done its work, or `after`. */
    dies(method: 'authorise' | 'capture' | 'void' | 'refund' | 'lookup', when: 'before' | 'after') {
      const { promise: whenDead, resolve: die } = Promise.withResolvers<void>()
      const dying = changed(() => ({
        [method]: async (requests: never) => {
          if (when === 'after') await provider[method](requests)
          die()
          return new Promise(() => {})
        },
      }))
      return { dying, whenDead }
    },
    /** One turn of the resolver of another process, when the time has come to look. */
    async look(context = b.context) {
      await database.db.query(sql`update payments set resolve_at = now() - interval '1 second' where resolve_at is not null`)
      await database.db.query(sql`update refunds set resolve_at = now() - interval '1 second' where status = 'pending'`)
      await resolveOnce(context)
    },
    /** Lets the charges appear that are still to. */
    appear: () => appear(database.db),
    /** Lets time pass for all payments and refunds. Locked in one order, for two that do it at once would deadlock. */
    async age(by = '2 minutes') {
      await database.db.query(sql`
        with locked as materialized (select order_id from payments order by order_id for update)
        update payments set updated_at = now() - ${by}::interval where order_id in (select order_id from locked)`)
      await database.db.query(sql`
        with locked as materialized (select order_id, refund_id from refunds order by order_id, refund_id for update)
        update refunds set created_at = now() - ${by}::interval where (order_id, refund_id) in (select order_id, refund_id from locked)`)
    },
    status: async (orderId: string) => (await read(orderId))?.status,
    read,
    charges: (orderId: string) =>
      database.db.query<{ status: string; amount_minor: number; refunded_minor: number }>(
        sql`select status, amount_minor, refunded_minor from simulated_provider.charges where order_ref = ${orderId} and status <> 'declined'`,
      ),
    movements: async (orderId: string) =>
      (
        await database.db.query<{ kind: string; amount_minor: number }>(
          sql`select kind, amount_minor from money_movements where order_id = ${orderId} order by id`,
        )
      ).map(({ kind, amount_minor }) => `${kind} ${amount_minor}`),
    expectBalance: () => expectBalance(database.db),
    drop: async () => {
      await second.close()
      await database.drop()
    },
  }
}

/** Ledger, payments and the provider's book tell the same story, row by row. */
async function expectBalance(db: Awaited<ReturnType<typeof testDatabase>>['db']) {
  const ledgerDrift = await db.query(sql`
    select p.order_id, p.status, p.captured_minor, p.refunded_minor, m.* from payments p left join lateral (
      select coalesce(sum(amount_minor) filter (where kind = 'authorised'), 0) as authorised, coalesce(sum(amount_minor) filter (where kind = 'voided'), 0) as voided,
        coalesce(sum(amount_minor) filter (where kind = 'captured'), 0) as captured, coalesce(sum(amount_minor) filter (where kind = 'refunded'), 0) as refunded
      from money_movements where order_id = p.order_id) m on true
    where m.captured <> p.captured_minor or m.refunded <> p.refunded_minor
      or (p.status in ('authorised', 'capturing') and m.authorised - m.voided <> p.amount_minor)
      or (p.status in ('captured', 'refunded') and (m.authorised <> p.amount_minor or m.voided <> 0))
      or (p.status in ('voided', 'declined', 'intent', 'unknown') and m.authorised - m.voided <> 0)`)
  expect(ledgerDrift).toEqual([])
  const bookDrift = await db.query(sql`
    select c.order_ref, c.status as book, p.status as ours from simulated_provider.charges c left join payments p on p.order_id::text = c.order_ref
    where not (c.status = p.status or (c.status = 'captured' and p.status = 'refunded')) or (c.status = 'captured' and c.refunded_minor <> p.refunded_minor)`)
  expect(bookDrift).toEqual([])
}

/** Repeats `ask` until `isTrue` says so: the provider's book moves with real time. */
export function until<T>(ask: () => Promise<T>, isTrue: (value: T) => boolean): Promise<T> {
  return vi.waitFor(
    async () => {
      const value = await ask()
      expect(isTrue(value), JSON.stringify(value)).toBe(true)
      return value
    },
    { timeout: 8_000, interval: 20 },
  )
}

export const kinds = (answers: readonly ({ kind: string; code?: string } | undefined)[]) =>
  answers.map((answer) => answer?.code ?? answer?.kind)
