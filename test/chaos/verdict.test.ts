import { describe, expect, it } from 'vitest'
import type { Entry, Written } from './journal.ts'
import { type Arrived, judge, type Row } from './verdict.ts'

/** The judge of chaos must find what is wrong, and nothing in what is right. */

const ID = '0190a000-0000-7000-8000-000000000001'
const OTHER = '0190a000-0000-7000-8000-000000000002'
const body = { user_id: 'u1', items: [{ product_id: 'hot', quantity: 2 }], payment_method: 'paypal' }

const journal = (...more: Entry[]): Written[] =>
  [
    { kind: 'sends', key: 'k1', body, to: 0 } as const,
    { kind: 'not answered', key: 'k1', why: 'fetch failed' } as const,
    { kind: 'sends', key: 'k1', body, to: 1 } as const,
    { kind: 'answered', key: 'k1', status: 202, order_id: ID, order_status: 'pending', from: 10, until: 20 } as const,
    { kind: 'saw', order_id: ID, order_status: 'confirmed', from: 30, until: 40 } as const,
    { kind: 'asks', what: 'receive', id: 'hot', body: { receipt_id: 'r1', quantity: 5 } } as const,
    { kind: 'asks', what: 'receive', id: 'hot', body: { receipt_id: 'r1', quantity: 5 } } as const,
    { kind: 'told', what: 'receive', id: 'hot', status: 200 } as const,
    ...more,
  ].map((entry) => ({ at: '2026-01-01T00:00:00Z', ...entry }))
const row = (over: Partial<Row> = {}): Row => ({
  ...{ id: ID, idempotency_key: 'k1', user_id: 'u1', status: 'confirmed', work: null, items: body.items },
  ...over,
})
const arrivals: Arrived[] = [{ product_id: 'hot', by_receipts: 5, by_movements: 5 }]
const sentences = (over: Partial<Parameters<typeof judge>[0]>) => [
  ...judge({ journal: journal(), orders: [row()], arrivals, ...over }).keys(),
]

describe('the judge', () => {
  it('finds nothing where all is well', () => {
    expect(sentences({})).toEqual([])
    const cancelled = journal({ kind: 'told', what: 'cancel', id: ID, status: 200 })
    expect(sentences({ journal: cancelled, orders: [row({ status: 'cancelled' })] })).toEqual([])
    // Of two looks at once neither is the earlier one.
    const atOnce = journal({ kind: 'saw', order_id: ID, order_status: 'pending', from: 35, until: 60 })
    expect(sentences({ journal: atOnce })).toEqual([])
  })

  it.each<[string, Partial<Parameters<typeof judge>[0]>]>([
    ['an answered order is there', { orders: [] }],
    ['an answered order has its key', { orders: [row({ idempotency_key: 'k2' })] }],
    ['every order was sent by somebody', { orders: [row(), row({ id: OTHER, idempotency_key: null })] }],
    ['every order is final', { orders: [row({ status: 'pending' })] }],
    ['every order is final', { orders: [row({ work: 'settle' })] }],
    ['an order is what was sent', { orders: [row({ items: [{ product_id: 'hot', quantity: 3 }] })] }],
    ['statuses move only forward', { orders: [row({ status: 'rejected' })] }],
    ['goods are counted once', { arrivals: [{ product_id: 'hot', by_receipts: 5, by_movements: 10 }] }],
    ['goods are counted once', { arrivals: [] }],
    [
      'a key has one order',
      { journal: journal({ kind: 'answered', key: 'k1', status: 201, order_id: OTHER, order_status: 'confirmed', from: 50, until: 60 }) },
    ],
    ['statuses move only forward', { journal: journal({ kind: 'saw', order_id: ID, order_status: 'pending', from: 50, until: 60 }) }],
    ['statuses move only forward', { journal: journal({ kind: 'saw', order_id: ID, order_status: 'not found', from: 50, until: 60 }) }],
    [
      'no good order is called a bad request',
      { journal: journal({ kind: 'answered', key: 'k9', status: 400, code: 'invalid_request', from: 50, until: 60 }) },
    ],
    [
      'a refused request is never filled',
      { journal: journal({ kind: 'answered', key: 'k1', status: 422, code: 'unknown_product', from: 50, until: 60 }) },
    ],
    ['what was done stays done', { journal: journal({ kind: 'told', what: 'cancel', id: ID, status: 200 }) }],
    ['what was done stays done', { journal: journal({ kind: 'told', what: 'dispatch', id: `${ID}-1`, status: 200 }) }],
  ])('finds what breaks "%s"', (sentence, over) => {
    expect(sentences(over)).toContain(sentence)
  })
})
