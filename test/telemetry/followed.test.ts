import { describe, expect, it, vi } from 'vitest'
import { followCalls, followed, followOne } from '../../src/platform/followed.ts'
import type { Database } from '../../src/platform/postgres.ts'
import { type Attributes, type NewSpan, turnTracesOn } from '../../src/platform/tracing.ts'

type Made = NewSpan & { name: string; end?: { isError?: boolean; attributes?: Attributes } }

/** Off, until a tracer is turned on; each test begins off. */
async function withTraces(work: (made: Made[]) => Promise<void>): Promise<void> {
  const made: Made[] = []
  turnTracesOn({
    start(name, span) {
      const one: Made = { name, ...span }
      made.push(one)
      return { traceparent: `${span.parent}>`, end: (end = {}) => void Object.assign(one, { end }) }
    },
  })
  try {
    await work(made)
  } finally {
    turnTracesOn(undefined)
  }
}

const db: Database = {
  query: async () => [],
  transaction: async (work) => {
    const tx = { query: async () => [], write: () => {} }
    await work(tx)
    return work(tx)
  },
  close: async () => {},
}
const orders = [{ orderId: 'a', traceparent: 'ta' }, { orderId: 'b' }, { orderId: 'c', traceparent: 'tc' }]
const statement = { name: 'one', text: 'select 1', values: ['a secret'] }

describe('a database', () => {
  it('is the very same while traces are off, and for orders that nobody traces', async () => {
    expect(followed(db, 'orders', orders)).toBe(db)
    await withTraces(async () => expect(followed(db, 'orders', [{ orderId: 'b' }])).toBe(db))
  })

  it('has a span for each order that is traced, around each transaction and each query beside them', () =>
    withTraces(async (made) => {
      const seen = followed(db, 'orders', orders)
      await seen.transaction(async (tx) => tx.query(statement))
      await seen.query(statement)
      expect(made.map(({ name, parent }) => [name, parent])).toEqual([
        ['orders transaction', 'ta'],
        ['orders transaction', 'tc'],
        ['orders query', 'ta'],
        ['orders query', 'tc'],
      ])
      expect(made[0]?.attributes).toMatchObject({ 'db.system.name': 'postgresql', 'comanda.batch_size': 3 })
      expect(made[2]?.attributes?.['db.query.summary']).toBe('select 1')
      expect(made[0]?.end?.attributes).toEqual({ 'comanda.tries': 2 })
      expect(JSON.stringify(made)).not.toContain('secret')
    }))

  it('ends its spans as failed when it fails, and passes the failure on', () =>
    withTraces(async (made) => {
      const fails = new TypeError('gone')
      const seen = followed({ ...db, transaction: () => Promise.reject(fails) }, 'orders', orders)
      await expect(seen.transaction(async () => 1)).rejects.toBe(fails)
      expect(made.map(({ end }) => [end?.isError, end?.attributes?.['error.type']])).toEqual([
        [true, 'TypeError'],
        [true, 'TypeError'],
      ])
    }))
})

describe('a call to the outside', () => {
  const items = [{ key: 'x:a' }, { key: 'x:b' }, { key: 'x:nobody' }]
  const orderOf = ({ key }: { key: string }) => key.slice(2)

  it('is left alone while traces are off', () => expect(followCalls(orders)).toBeUndefined())

  it('has a span for each item of an order that is traced, with the kind of its answer', () =>
    withTraces(async (made) => {
      const call = vi.fn(async (some: readonly { key: string }[]) => some.map(() => ({ kind: 'approved' })))
      const answers = await followCalls(orders)?.('provider capture', call, orderOf)(items)
      expect([answers?.length, call.mock.calls]).toEqual([3, [[items]]])
      expect(made.map(({ name, parent, end }) => [name, parent, end?.attributes])).toEqual([
        ['provider capture', 'ta', { 'comanda.outcome': 'approved' }],
      ])
    }))

  it('ends its spans when it fails, or answers too few', () =>
    withTraces(async (made) => {
      const follow = followCalls(orders)
      await expect(
        follow?.('book', (_items: readonly { key: string }[]) => Promise.reject(new Error('away')), orderOf)(items),
      ).rejects.toThrow('away')
      await follow?.('book', async (_items: readonly { key: string }[]) => [] as { kind: string }[], orderOf)(items)
      expect(made.map(({ end }) => end)).toEqual([
        { isError: true, attributes: { 'error.type': 'Error' } },
        { attributes: { 'comanda.outcome': 'none' } },
      ])
    }))
})

it('a stretch of an order’s life that nobody traces is no span', () =>
  withTraces(async (made) => {
    expect(followOne('', 'orders.parked.payment', { kind: 'consumer' })).toBeUndefined()
    followOne('ta', 'orders.parked.payment', { kind: 'consumer', since: new Date(0) })?.end()
    expect(made).toMatchObject([{ parent: 'ta', since: new Date(0), end: {} }])
  }))
