import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { unavailable } from '../../src/platform/outcome.ts'
import { sql } from '../../src/platform/postgres.ts'
import { command, kinds, openDesk, until } from './desk.ts'

let desk: Awaited<ReturnType<typeof openDesk>>
beforeAll(async () => {
  desk = await openDesk()
})
afterEach(() => desk.expectBalance())
afterAll(() => desk.drop())

describe('authorise', () => {
  it('authorises each of a batch, in order, and holds exactly the amount', async () => {
    const [one, two] = [command({ amountMinor: 100 }), command({ amountMinor: 200, method: 'paypal' })]
    expect(await desk.a.authorise(one, two)).toMatchObject([
      { kind: 'done', value: { order_id: one.orderId, amount_minor: 100, status: 'authorised' } },
      { kind: 'done', value: { order_id: two.orderId, amount_minor: 200, method: 'paypal' } },
    ])
    expect(await desk.charges(one.orderId)).toMatchObject([{ status: 'authorised', amount_minor: 100 }])
    expect(await desk.movements(two.orderId)).toEqual(['authorised 200'])
  })
  it('gives the stored answer to a repeat, also to a decline, without asking the provider', async () => {
    const [good, bad] = [command(), command({ token: 'tok_expired_card' })]
    const first = await desk.a.authorise(good, bad)
    const forbidden = desk.with(() => ({
      authorise: () => Promise.reject(new Error('asked')),
      lookup: () => Promise.reject(new Error('asked')),
    }))
    const again = await forbidden.authorise(good, bad)
    expect(kinds(again)).toEqual(['done', 'payment_declined'])
    expect(again[1]).toEqual(first[1])
    expect(again[1]).toMatchObject({ message: 'the card has expired' })
  })
  it('charges once for duplicates in one batch, and once for two instances at once', async () => {
    const twice = Array.from({ length: 20 }, () => command())
    const answers = await Promise.all([
      desk.a.authorise(...twice, ...twice),
      desk.b.authorise(...[...twice].reverse()),
      desk.b.authorise(...twice),
    ])
    // The one that came second may have found the intent of the first and learnt nothing yet; never is anything refused.
    expect(answers.flat().filter((answer) => answer.kind === 'refused')).toEqual([])
    expect(kinds(await desk.a.authorise(...twice))).toEqual(twice.map(() => 'done'))
    for (const { orderId } of twice) expect(await desk.charges(orderId)).toHaveLength(1)
  })
  it('refuses another amount or method for the same order, also within one batch, and never charges again', async () => {
    const first = command()
    const answers = await desk.a.authorise(first, { ...first, amountMinor: 1 }, first)
    expect(kinds(answers)).toEqual(['done', 'payment_mismatch', 'done'])
    expect(kinds(await desk.b.authorise({ ...first, method: 'paypal' }))).toEqual(['payment_mismatch'])
    expect(await desk.charges(first.orderId)).toHaveLength(1)
  })
  it('never lets a bad item fail its neighbours', async () => {
    const answers = await desk.a.authorise(
      command({ orderId: 'not-a-uuid' }),
      command({ amountMinor: -1 }),
      command({ currency: 'euro' }),
      command({ token: 'a\u0000' }),
      command({ method: 'cheque' }),
      command({ method: 'toString\u0000' }),
      command({ method: 'cash_on_delivery', amountMinor: 100_001 }),
      command({ method: 'cash_on_delivery', token: 'tok_ok' }),
      command(),
    )
    expect(kinds(answers)).toEqual([
      ...Array(4).fill('invalid_payment'),
      'unknown_payment_method',
      'unknown_payment_method',
      'payment_method_limit',
      'payment_token_not_allowed',
      'done',
    ])
  })
  it('takes cash, and nothing at all, without the provider', async () => {
    const [cash, free] = [command({ method: 'cash_on_delivery' }), command({ amountMinor: 0, token: 'tok_declined' })]
    expect(kinds(await desk.a.authorise(cash, free))).toEqual(['done', 'done'])
    expect([...(await desk.charges(cash.orderId)), ...(await desk.charges(free.orderId))]).toEqual([])
  })
  it('forgets the token once the payment is decided', async () => {
    const [good, bad, open] = [command({ token: 'tok_ok' }), command({ token: 'tok_declined' }), command({ token: 'tok_timeout_before' })]
    await desk.a.authorise(good, bad, open)
    const tokens = await Promise.all([good, bad, open].map(async ({ orderId }) => (await desk.read(orderId))?.token))
    expect(tokens).toEqual([null, null, 'tok_timeout_before'])
  })
})

describe('an answer that is lost', () => {
  for (const token of ['tok_timeout_before', 'tok_timeout_after', 'tok_error_500']) {
    it(`is unknown first and then found or asked again with the same key (${token})`, async () => {
      const order = command({ token })
      expect(kinds(await desk.a.authorise(order, command()))).toEqual(['unknown', 'done'])
      expect(await desk.status(order.orderId)).toBe('unknown')
      expect(kinds(await desk.b.authorise(order, command())).at(1)).toBe('done')
      await until(
        () => desk.a.authorise(order),
        ([answer]) => answer?.kind === 'done',
      )
      expect(await desk.charges(order.orderId)).toHaveLength(1)
      expect(await desk.movements(order.orderId)).toEqual(['authorised 1250'])
    })
  }
  it('is looked up before it is asked again: a provider forgets its keys after a day, its charges never', async () => {
    const order = command({ token: 'tok_timeout_after' })
    await desk.a.authorise(order)
    const forgetful = desk.with(() => ({ authorise: () => Promise.reject(new Error('asked again')) }))
    expect(kinds(await forgetful.authorise(order))).toEqual(['done'])
  })
  it('is waited for when the charge appears late', async () => {
    const order = command({ token: 'tok_late' })
    expect(kinds(await desk.a.authorise(order))).toEqual(['unknown'])
    expect(kinds(await desk.b.authorise(order))).toEqual(['unknown'])
    await desk.appear()
    expect(kinds(await desk.a.authorise(order))).toEqual(['done'])
    expect(await desk.charges(order.orderId)).toHaveLength(1)
  })
  it('of a slow provider holds nobody up', async () => {
    const [slow, quick] = [command({ token: 'tok_slow' }), command()]
    expect(kinds(await desk.a.authorise(slow, quick))).toEqual(['unknown', 'done'])
    await until(
      () => desk.a.authorise(slow),
      ([answer]) => answer?.kind === 'done',
    )
    expect(await desk.charges(slow.orderId)).toHaveLength(1)
  })
  it('because the process died after the charge is found by the next process', async () => {
    const order = command()
    let charged = () => {}
    const whenCharged = new Promise<void>((resolve) => {
      charged = resolve
    })
    const dying = desk.with((provider) => ({
      authorise: async (requests) => {
        await provider.authorise(requests)
        charged()
        return new Promise(() => {})
      },
    }))
    void dying.authorise(order)
    await whenCharged
    expect(await desk.status(order.orderId)).toBe('intent')
    expect(kinds(await desk.b.authorise(order))).toEqual(['done'])
    expect(await desk.charges(order.orderId)).toHaveLength(1)
  })
  it('because the whole call threw after charging is unknown, never failed', async () => {
    const orders = [command(), command()]
    const throwing = desk.with((provider) => ({
      authorise: async (requests) => {
        await provider.authorise(requests)
        throw new Error('socket hang up')
      },
    }))
    expect(kinds(await throwing.authorise(...orders))).toEqual(['unknown', 'unknown'])
    expect(kinds(await desk.a.authorise(...orders))).toEqual(['done', 'done'])
    for (const { orderId } of orders) expect(await desk.charges(orderId)).toHaveLength(1)
  })
  it('while the provider is unavailable leaves the intent and says so', async () => {
    const order = command()
    const down = desk.with(() => ({ authorise: async (requests) => requests.map(() => unavailable('connection refused')) }))
    expect(await down.authorise(order)).toMatchObject([
      { kind: 'unknown', message: 'the payment provider is unavailable: connection refused' },
    ])
    expect(await desk.status(order.orderId)).toBe('intent')
    expect(kinds(await desk.a.authorise(order))).toEqual(['done'])
  })
})

describe('a wrong amount', () => {
  it('is let go, refused, and alarmed about without the token', async () => {
    const lines: string[] = []
    const log = pino({ level: 'trace' }, { write: (line) => void lines.push(line) })
    const order = command({ token: 'tok_wrong_amount' })
    const loud = desk.with(() => ({}), { log })
    expect(kinds(await loud.authorise(order))).toEqual(['payment_declined'])
    expect(await desk.status(order.orderId)).toBe('voided')
    expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'voided', amount_minor: 1_251 }])
    expect(await desk.movements(order.orderId)).toEqual(['authorised 1251', 'voided 1251'])
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ level: 50, alarm: 'wrong_amount', order_id: order.orderId }])
    expect(lines.join()).not.toContain('tok_')
    expect(kinds(await desk.b.authorise(order))).toEqual(['payment_declined'])
  })
  it('is unknown until it is let go, and a repeat finishes that', async () => {
    const order = command({ token: 'tok_wrong_amount' })
    const halfDead = desk.with(() => ({ void: () => Promise.reject(new Error('down')) }))
    expect(kinds(await halfDead.authorise(order))).toEqual(['unknown'])
    expect(kinds(await desk.a.authorise(order))).toEqual(['payment_declined'])
    expect(await desk.status(order.orderId)).toBe('voided')
  })
})

describe('the ledger', () => {
  it('can only be added to', async () => {
    await expect(desk.db.query(sql`delete from money_movements`)).rejects.toThrow(/append-only/)
    await expect(desk.db.query(sql`update money_movements set amount_minor = 0`)).rejects.toThrow(/append-only/)
  })
  it('does not take a fact twice', async () => {
    const orderId = newId()
    const write = () =>
      desk.db.query(sql`insert into money_movements (order_id, kind, amount_minor, currency) values (${orderId}, 'captured', 0, 'EUR')`)
    await write()
    await expect(write()).rejects.toThrow(/duplicate key/)
  })
})
