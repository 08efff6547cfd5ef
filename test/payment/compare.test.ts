import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nextStatuses, type Payment, type PaymentStatus } from '../../src/payment/payment.ts'
import type { Charge } from '../../src/payment/provider.ts'
import { compare, type Entry } from '../../src/payment/reconcile/compare.ts'

const entry = (changes: Partial<Payment> = {}, more: Partial<Entry> = {}): Entry => ({
  payment: {
    order_id: '019a0000-0000-7000-8000-000000000001',
    status: 'authorised',
    method: 'credit_card',
    token: null,
    amount_minor: 1_000,
    currency: 'EUR',
    captured_minor: 0,
    refunded_minor: 0,
    provider_ref: 'ch_1',
    decline_code: null,
    decline_message: null,
    void_requested: false,
    resolves: 0,
    version: 1,
    created_at: new Date(0),
    updated_at: new Date(0),
    ...changes,
  },
  pendingMinor: 0,
  ageMs: 1e9,
  ...more,
})
const charge = (changes: Partial<Charge> = {}): Charge => ({
  key: 'auth:019a0000-0000-7000-8000-000000000001',
  ref: 'ch_1',
  status: 'authorised',
  amountMinor: 1_000,
  capturedMinor: 0,
  refundedMinor: 0,
  currency: 'EUR',
  ...changes,
})
const captured = { status: 'captured', capturedMinor: 1_000 } as const
const taken = { status: 'captured', captured_minor: 1_000 } as const
const none = { provider_ref: null }

describe('the two books agree', () => {
  it.each([
    ['authorised', entry(), charge()],
    ['captured', entry(taken), charge(captured)],
    ['partly refunded', entry({ ...taken, refunded_minor: 5 }), charge({ ...captured, refundedMinor: 5 })],
    ['wholly refunded', entry({ ...taken, status: 'refunded', refunded_minor: 1_000 }), charge({ ...captured, refundedMinor: 1_000 })],
    ['voided', entry({ status: 'voided' }), charge({ status: 'voided' })],
    ['voided, of a wrong amount', entry({ status: 'voided' }), charge({ status: 'voided', amountMinor: 7 })],
    ['voided and never charged', entry({ status: 'voided', ...none }), undefined],
    ['declined', entry({ status: 'declined', ...none }), charge({ status: 'declined' })],
    ['declined by a rule', entry({ status: 'declined', ...none }), undefined],
    ['cash', entry({ method: 'cash_on_delivery', ...none }), undefined],
    ['free', entry({ amount_minor: 0, ...none }), undefined],
    ['nothing here, a dead charge there', undefined, charge({ status: 'voided' })],
    ['nothing at all', undefined, undefined],
  ])('%s', (_, ours, theirs) => {
    expect(compare(ours, theirs)).toBeUndefined()
  })
})

describe('the two books differ', () => {
  it.each([
    ['missing_here', undefined, charge(), undefined],
    ['missing_here', undefined, charge(captured), undefined],
    ['missing_there', entry(), undefined, undefined],
    ['missing_there', entry(none), undefined, undefined],
    ['missing_there', entry({ status: 'voided' }), undefined, undefined],
    ['unwanted_charge', entry({ status: 'voided', ...none }), charge(), 'void'],
    ['unwanted_charge', entry({ status: 'voided' }), charge(), 'void'],
    ['unwanted_charge', entry({ status: 'declined', ...none }), charge(), 'void'],
    ['unwanted_charge', entry({ status: 'voided', ...none }), charge(captured), undefined],
    ['unwanted_charge', entry({ method: 'cash_on_delivery', ...none }), charge(), undefined],
    ['ref_differs', entry(), charge({ ref: 'ch_2' }), undefined],
    ['status_differs', entry(), charge(captured), undefined],
    ['status_differs', entry(), charge({ status: 'voided' }), undefined],
    ['status_differs', entry(taken), charge(), undefined],
    ['status_differs', entry({ status: 'voided' }), charge(captured), undefined],
    ['amount_differs', entry(), charge({ amountMinor: 1_001 }), undefined],
    ['amount_differs', entry(), charge({ currency: 'USD' }), undefined],
    ['amount_differs', entry(taken), charge({ ...captured, capturedMinor: 999 }), undefined],
    ['refunds_differ', entry(taken), charge({ ...captured, refundedMinor: 1 }), undefined],
    ['in_between', entry({ status: 'unknown', ...none }), charge(), 'resolve'],
    ['in_between', entry({ status: 'capturing' }), charge(captured), 'resolve'],
    ['in_between', entry({ status: 'voiding' }), charge(), 'resolve'],
    ['in_between', entry(taken, { pendingMinor: 5 }), charge(captured), 'resolve'],
  ] as const)('%s (%#)', (kind, ours, theirs, repair) => {
    const difference = compare(ours, theirs)
    expect([difference?.kind, difference?.repair]).toEqual([kind, repair])
    expect(difference?.message).toMatch(/\w/)
  })
  it('and a charge is only ever voided when its payment has ended without one', () => {
    fc.assert(
      fc.property(
        fc.record({
          status: fc.constantFrom(...(Object.keys(nextStatuses) as PaymentStatus[])),
          provider_ref: fc.constantFrom(null, 'ch_1', 'ch_2'),
          method: fc.constantFrom('credit_card', 'cash_on_delivery', ''),
          amount_minor: fc.constantFrom(0, 1_000),
        }),
        fc.record({
          status: fc.constantFrom<Charge['status']>('authorised', 'captured', 'voided', 'declined'),
          ref: fc.constantFrom('ch_1', 'ch_2'),
          amountMinor: fc.constantFrom(1_000, 1),
        }),
        fc.constantFrom(0, 5),
        (ours, theirs, pendingMinor) => {
          if (compare(entry(ours, { pendingMinor }), charge(theirs))?.repair !== 'void') return
          expect(['voided', 'declined']).toContain(ours.status)
          expect(theirs.status).toBe('authorised')
          expect([null, theirs.ref]).toContain(ours.provider_ref)
        },
      ),
    )
  })
})
