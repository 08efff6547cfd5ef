import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type AuthoriseCommand,
  afterAuthorise,
  authoriseAnswer,
  decideRefund,
  malformed,
  nextStatuses,
  open,
  PAYMENT_METHODS,
  type Payment,
  type PaymentStatus,
  type Refund,
  refunded,
  requestCapture,
  requestVoid,
} from '../../src/payment/payment.ts'
import type { ProviderAnswer } from '../../src/payment/provider.ts'

const STATUSES = Object.keys(nextStatuses) as PaymentStatus[]
const payment = (changes: Partial<Payment> = {}): Payment => ({
  order_id: '019a0000-0000-7000-8000-000000000001',
  status: 'intent',
  method: 'credit_card',
  token: '',
  amount_minor: 1_000,
  currency: 'EUR',
  captured_minor: 0,
  refunded_minor: 0,
  provider_ref: null,
  decline_code: null,
  decline_message: null,
  void_requested: false,
  resolves: 0,
  version: 1,
  created_at: new Date(0),
  updated_at: new Date(0),
  ...changes,
})
const ask = (changes: Partial<AuthoriseCommand> = {}): AuthoriseCommand => ({
  orderId: payment().order_id,
  method: 'credit_card',
  token: '',
  amountMinor: 1_000,
  currency: 'EUR',
  ...changes,
})
/** Every payment and every answer that the rules tell apart: few enough to try them all, so that nothing hangs on chance. */
const everyPayment = STATUSES.flatMap((status) =>
  [null, 'ch_1'].flatMap((provider_ref) =>
    [false, true].flatMap((void_requested) =>
      [0, 1, 1_000].map((amount_minor) => payment({ status, provider_ref, void_requested, amount_minor })),
    ),
  ),
)
const everyAnswer: ProviderAnswer[] = [
  ...[0, 1, 1_000].flatMap((amountMinor) =>
    ['EUR', 'USD'].map((currency) => ({ kind: 'approved' as const, ref: 'ch_2', amountMinor, currency })),
  ),
  { kind: 'declined', code: 'card_declined', message: 'no' },
  { kind: 'unknown', message: '?' },
  { kind: 'unavailable', message: '?' },
]
const everyPair = everyPayment.flatMap((before) => everyAnswer.map((answer) => ({ before, answer })))

describe('the table of statuses', () => {
  it('reaches every status from an intent', () => {
    const seen = new Set<PaymentStatus>(['intent'])
    for (const status of seen) for (const next of nextStatuses[status]) seen.add(next)
    expect([...seen].sort()).toEqual([...STATUSES].sort())
  })
  it('never leads from taken money to a void, nor back to a live charge from an end', () => {
    expect(nextStatuses.captured).toEqual(['refunded'])
    expect(nextStatuses.refunded).toEqual([])
    for (const end of ['declined', 'voided'] as const) expect(nextStatuses[end]).toEqual(['voiding'])
    expect(nextStatuses.voiding).toEqual(['voided'])
  })
  it('has every change that the rules make', () => {
    for (const { before, answer } of everyPair)
      for (const change of [afterAuthorise(before, answer), requestVoid(before), requestCapture(before)]) {
        const to = change?.status ?? before.status
        expect(to === before.status || nextStatuses[before.status].includes(to)).toBe(true)
      }
  })
})

describe('what the provider says', () => {
  it('never authorises what was to be voided, nor another amount or currency', () => {
    const authorised = everyPair.filter(({ before, answer }) => afterAuthorise(before, answer)?.status === 'authorised')
    for (const { before, answer } of authorised) {
      expect(before.void_requested).toBe(false)
      expect(['intent', 'unknown']).toContain(before.status)
      expect(answer).toMatchObject({ kind: 'approved', amountMinor: before.amount_minor, currency: before.currency })
    }
    expect(authorised.length).toBeGreaterThan(0)
  })
  it('lets a charge go that appears after its void was taken for final', () => {
    const late = afterAuthorise(payment({ status: 'voided', void_requested: true }), {
      kind: 'approved',
      ref: 'ch_9',
      amountMinor: 1_000,
      currency: 'EUR',
    })
    expect(late).toMatchObject({ status: 'voiding', provider_ref: 'ch_9' })
  })
  it('leaves the intent as it is when the provider is unavailable', () => {
    expect(afterAuthorise(payment(), { kind: 'unavailable', message: 'down' })).toBeUndefined()
  })
})

describe('payment methods', () => {
  it('asks the provider about every method but cash on delivery', () => {
    const started = PAYMENT_METHODS.map((method) => [method, open(ask({ method })).status])
    expect(Object.fromEntries(started)).toEqual({
      credit_card: 'intent',
      debit_card: 'intent',
      paypal: 'intent',
      bank_transfer: 'intent',
      cash_on_delivery: 'authorised',
    })
  })
  it('authorises nothing to pay without the provider', () => {
    for (const method of PAYMENT_METHODS) expect(open(ask({ method, amountMinor: 0 })).status).toBe('authorised')
  })
  it('refuses unknown methods, also those that every object has', () => {
    for (const method of ['cheque', 'constructor', 'tostring', '__proto__'])
      expect(open(ask({ method })).decline_code).toBe('unknown_payment_method')
  })
  it('takes cash up to its limit', () => {
    expect(open(ask({ method: 'cash_on_delivery', amountMinor: 100_000 })).status).toBe('authorised')
    expect(open(ask({ method: 'cash_on_delivery', amountMinor: 100_001 })).decline_code).toBe('payment_method_limit')
  })
  it('takes no token with cash', () => {
    expect(open(ask({ method: 'cash_on_delivery', token: 'tok_ok' })).decline_code).toBe('payment_token_not_allowed')
  })
  it('knows what can not even be stored', () => {
    for (const bad of [
      { amountMinor: -1 },
      { amountMinor: 0.5 },
      { amountMinor: 2 ** 53 },
      { currency: 'eur' },
      { token: 'a\u0000b' },
      { method: 'x\u0000' },
    ]) {
      expect(malformed(ask(bad))).toBeDefined()
    }
    expect(malformed(ask())).toBeUndefined()
  })
})

describe('answers', () => {
  it('refuse the same order with another amount, method or currency', () => {
    for (const other of [{ amountMinor: 999 }, { method: 'paypal' }, { currency: 'USD' }]) {
      expect(authoriseAnswer(ask(other), payment({ status: 'authorised' }), '')).toMatchObject({
        kind: 'refused',
        code: 'payment_mismatch',
      })
    }
  })
  it('keep the code of our own rules and call every other refusal declined', () => {
    const declined = (decline_code: string) =>
      authoriseAnswer(ask(), payment({ status: 'declined', decline_code, decline_message: 'm' }), '')
    expect(declined('payment_method_limit')).toMatchObject({ code: 'payment_method_limit' })
    expect(declined('expired_card')).toMatchObject({ code: 'payment_declined', message: 'm' })
  })
})

describe('refunds', () => {
  it('never give back more than was taken, and end refunded exactly when all is back', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -2, max: 700 }), { maxLength: 12 }), (amounts) => {
        let now = payment({ status: 'captured', captured_minor: 1_000, provider_ref: 'ch_1' })
        const decided: Refund[] = []
        amounts.forEach((amountMinor, i) => {
          const refund = decideRefund(now, decided, { refundId: `r${i}`, amountMinor })
          decided.push(refund)
          if (refund.status === 'refused') return
          const { movements: _, ...change } = refunded(now, [refund])
          now = { ...now, ...change }
        })
        expect(now.refunded_minor).toBeLessThanOrEqual(1_000)
        expect(now.status === 'refunded').toBe(now.refunded_minor === 1_000)
      }),
    )
  })
})
