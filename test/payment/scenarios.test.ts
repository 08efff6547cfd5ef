import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AuthoriseRequest } from '../../src/payment/provider.ts'
import { sql } from '../../src/platform/postgres.ts'
import { command, kinds } from './desk.ts'
import { openBooks, outcomes } from './two-books.ts'

/** The failures of payment that docs/RELIABILITY.md numbers 17 to 25, each with what must hold. */

let desk: Awaited<ReturnType<typeof openBooks>>
beforeAll(async () => {
  desk = await openBooks()
})
afterAll(async () => {
  await desk.expectAgreement()
  await desk.drop()
})

/** Notes what the provider is asked to charge. */
function listening() {
  const asked: AuthoriseRequest[] = []
  const instance = desk.with((provider) => ({
    authorise: (requests) => {
      asked.push(...requests)
      return provider.authorise(requests)
    },
  }))
  return { asked, instance }
}

describe('17 the provider charges, and its answer times out', () => {
  it('is unknown until it is found by its key; nothing is charged again, and never under another key', async () => {
    const order = command({ token: 'tok_timeout_after' })
    const { asked, instance } = listening()
    expect(kinds(await instance.authorise(order))).toEqual(['unknown'])
    expect(kinds(await instance.authorise(order))).toEqual(['done'])
    expect(asked.map((request) => request.key)).toEqual([`auth:${order.orderId}`])
    expect(await desk.charges(order.orderId)).toHaveLength(1)
  })
  it('and when the request was lost on its way, it is asked again under the same key', async () => {
    const order = command({ token: 'tok_timeout_before' })
    const { asked, instance } = listening()
    await instance.authorise(order)
    expect(kinds(await instance.authorise(order))).toEqual(['done'])
    expect(new Set(asked.map((request) => request.key))).toEqual(new Set([`auth:${order.orderId}`]))
    expect(await desk.charges(order.orderId)).toHaveLength(1)
  })
})

describe('18 the provider has forgotten the key after an outage of a day', () => {
  it('it is only looked up, lies open for a person to see, and a void ends it', async () => {
    const order = command({ token: 'tok_timeout_before' })
    const { asked, instance } = listening()
    await instance.authorise(order)
    await desk.db.query(sql`
      update payments set created_at = now() - interval '25 hours', asked_at = now() - interval '25 hours' where order_id = ${order.orderId}`)
    expect(kinds(await instance.authorise(order))).toEqual(['unknown'])
    await desk.look(instance.context)
    expect(asked).toHaveLength(1)
    await desk.age('1 hour')
    expect(outcomes(await desk.run({ since: new Date() }), order.orderId)).toEqual(['in_between raised'])
    expect(kinds(await desk.a.void(order.orderId))).toEqual(['done'])
    await desk.run()
    expect(await desk.open()).toEqual([])
  })
})

describe('19 "not found", and the charge appears later', () => {
  it('is not taken for final at once; what appears before the bound is let go by the void', async () => {
    const order = command({ token: 'tok_late' })
    await desk.a.authorise(order)
    expect(kinds(await desk.a.void(order.orderId))).toEqual(['unknown'])
    await desk.appear()
    await desk.look()
    expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'voided' }])
  })
  it('what appears after the bound is let go by the resolver, and by the reconciler, with the voider dead', async () => {
    const late = [await desk.lateCharge(), await desk.lateCharge()]
    await desk.look()
    expect(await desk.charges(late[0] as string)).toMatchObject([{ status: 'voided' }])
    const another = await desk.lateCharge()
    await desk.run()
    expect(await desk.charges(another)).toMatchObject([{ status: 'voided' }])
  })
})

describe('20 a void of an authorisation that is not known', () => {
  it('is resolved first, then voided, and repeated until that is known', async () => {
    const order = command({ token: 'tok_timeout_after' })
    await desk.a.authorise(order)
    const down = desk.with(() => ({ lookup: () => Promise.reject(new Error('timed out')) }))
    expect(kinds(await down.void(order.orderId))).toEqual(['unknown'])
    const half = desk.dies('void', 'after')
    void half.dying.void(order.orderId)
    await half.whenDead
    expect(await desk.status(order.orderId)).toBe('voiding')
    expect(kinds(await desk.b.void(order.orderId))).toEqual(['done'])
    expect(await desk.movements(order.orderId)).toEqual(['authorised 1250', 'voided 1250'])
  })
})

describe('21 a crash between the provider and our row', () => {
  it('leaves the intent, written before the provider was asked, and the next process finds the charge by it', async () => {
    const order = command()
    const seen: (string | undefined)[] = []
    const { promise: whenDead, resolve: die } = Promise.withResolvers<void>()
    const dying = desk.with((provider) => ({
      authorise: async (requests) => {
        seen.push(await desk.status(order.orderId))
        await provider.authorise(requests)
        die()
        return new Promise(() => {})
      },
    }))
    void dying.authorise(order)
    await whenDead
    expect(seen).toEqual(['intent'])
    await desk.look()
    expect(await desk.status(order.orderId)).toBe('authorised')
    expect(await desk.charges(order.orderId)).toHaveLength(1)
  })
})

describe('22 a capture after a cancel', () => {
  it('has lost: the void was decided first, also when its answer is still out', async () => {
    const order = command()
    await desk.a.authorise(order)
    const voiding = desk.dies('void', 'before')
    void voiding.dying.void(order.orderId)
    await voiding.whenDead
    expect(kinds(await desk.b.capture(order.orderId))).toEqual(['payment_voided'])
    await desk.look()
    expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'voided' }])
  })
  it('and the other way round the void has lost', async () => {
    const order = command()
    await desk.a.authorise(order)
    const capturing = desk.dies('capture', 'before')
    void capturing.dying.capture(order.orderId)
    await capturing.whenDead
    expect(kinds(await desk.b.void(order.orderId))).toEqual(['payment_captured'])
    expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'captured' }])
  })
})

describe('23 an answer of another amount or currency', () => {
  for (const wrong of [{ amountMinor: 1_251 }, { amountMinor: 0 }, { currency: 'USD' }]) {
    it(`is not trusted: the charge is let go, the payment refused, and someone is told (${JSON.stringify(wrong)})`, async () => {
      const alarms: unknown[] = []
      const log = pino({ level: 'error' }, { write: (line) => void alarms.push(JSON.parse(line).alarm) })
      const order = command()
      const odd = desk.with(
        (provider) => ({
          authorise: async (requests) => (await provider.authorise(requests)).map((answer) => ({ ...answer, ...wrong }) as typeof answer),
        }),
        { log },
      )
      expect(kinds(await odd.authorise(order))).toEqual(['payment_declined'])
      expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'voided' }])
      expect(alarms).toEqual(['wrong_amount'])
    })
  }
  it('to a capture is left for a person to look at, and raised', async () => {
    const order = command()
    await desk.a.authorise(order)
    const odd = desk.with((provider) => ({
      capture: async (requests) => (await provider.capture(requests)).map((answer) => ({ ...answer, amountMinor: 1 }) as typeof answer),
    }))
    expect(kinds(await odd.capture(order.orderId))).toEqual(['unknown'])
    await desk.age('1 hour')
    expect(outcomes(await desk.run({}, odd.context), order.orderId)).toEqual(['in_between raised'])
    expect(kinds(await desk.a.capture(order.orderId))).toEqual(['done'])
  })
})

describe('24 the provider answers 500 and has charged', () => {
  it('is unknown, never failed', async () => {
    const order = command({ token: 'tok_error_500' })
    expect(kinds(await desk.a.authorise(order))).toEqual(['unknown'])
    await desk.look()
    expect(await desk.status(order.orderId)).toBe('authorised')
    expect(await desk.charges(order.orderId)).toHaveLength(1)
  })
})

describe('25 rounding', () => {
  it('there is none: amounts that are not whole, or beyond 2^53, are refused before anything is stored', async () => {
    const amounts = [0.1 + 0.2, 12.5, 2 ** 53, Number.NaN, -1]
    const orders = amounts.map((amountMinor) => command({ amountMinor }))
    expect(kinds(await desk.a.authorise(...orders))).toEqual(Array(amounts.length).fill('invalid_payment'))
    for (const { orderId } of orders) expect(await desk.status(orderId)).toBeUndefined()
  })
  it('what is refunded in parts comes to what was captured, to the last cent, also near 2^53', async () => {
    const amountMinor = Number.MAX_SAFE_INTEGER
    const order = command({ amountMinor })
    await desk.a.authorise(order)
    await desk.a.capture(order.orderId)
    const third = Math.floor(amountMinor / 3)
    for (const [id, part] of [
      ['r1', third],
      ['r2', third],
      ['r3', amountMinor - 2 * third],
    ] as const) {
      expect(kinds([await desk.a.refund(order.orderId, id, part)])).toEqual(['done'])
    }
    expect(kinds([await desk.a.refund(order.orderId, 'r4', 1)])).toEqual(['refund_too_large'])
    expect(await desk.read(order.orderId)).toMatchObject({ status: 'refunded', refunded_minor: amountMinor })
  })
})
