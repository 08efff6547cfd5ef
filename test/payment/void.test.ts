import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { PaymentProvider } from '../../src/payment/provider.ts'
import { newId } from '../../src/platform/ids.ts'
import { command, kinds, openDesk, until } from './desk.ts'

let desk: Awaited<ReturnType<typeof openDesk>>
beforeAll(async () => {
  desk = await openDesk()
})
afterEach(() => desk.expectBalance())
afterAll(() => desk.drop())

/** An authorise at the provider that is held until `letGo`: `whenAsked` tells that the intent is written and the provider was called. */
function held(provider: PaymentProvider) {
  let letGo = () => {}
  let asked = () => {}
  const gate = new Promise<void>((resolve) => {
    letGo = resolve
  })
  const whenAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  const authorise: PaymentProvider['authorise'] = async (requests) => {
    asked()
    await gate
    return provider.authorise(requests)
  }
  return { authorise, whenAsked, letGo: () => letGo() }
}

describe('void', () => {
  it('lets authorised money go, and a repeat does nothing', async () => {
    const order = command()
    await desk.a.authorise(order)
    expect(kinds(await desk.a.void(order.orderId, order.orderId))).toEqual(['done', 'done'])
    expect(kinds(await desk.b.void(order.orderId))).toEqual(['done'])
    expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'voided' }])
    expect(await desk.movements(order.orderId)).toEqual(['authorised 1250', 'voided 1250'])
    expect(kinds(await desk.a.authorise(order))).toEqual(['payment_voided'])
  })
  it('before the authorise leaves a tombstone: the late authorise is refused and nothing is charged', async () => {
    const order = command()
    expect(kinds(await desk.a.void(order.orderId))).toEqual(['done'])
    expect(kinds(await desk.a.authorise(order))).toEqual(['payment_voided'])
    expect(kinds(await desk.a.void(order.orderId))).toEqual(['done'])
    expect(await desk.charges(order.orderId)).toEqual([])
  })
  it('of a declined payment is done', async () => {
    const order = command({ token: 'tok_declined' })
    await desk.a.authorise(order)
    expect(kinds(await desk.a.void(order.orderId))).toEqual(['done'])
    expect(await desk.status(order.orderId)).toBe('declined')
  })
  it('of cash and of nothing needs no provider', async () => {
    const orders = [command({ method: 'cash_on_delivery' }), command({ amountMinor: 0 })]
    await desk.a.authorise(...orders)
    const offline = desk.with(() => ({ void: () => Promise.reject(new Error('asked')) }))
    expect(kinds(await offline.void(...orders.map((order) => order.orderId)))).toEqual(['done', 'done'])
  })
  it('is refused once the money is taken', async () => {
    const order = command()
    await desk.a.authorise(order)
    await desk.a.capture(order.orderId)
    expect(kinds(await desk.a.void(order.orderId, 'not-a-uuid', newId()))).toEqual(['payment_captured', 'invalid_payment', 'done'])
  })
  it('whose answer was lost is finished by a repeat', async () => {
    const order = command()
    await desk.a.authorise(order)
    const lossy = desk.with((provider) => ({
      void: async (requests) => {
        await provider.void(requests)
        throw new Error('socket hang up')
      },
    }))
    expect(kinds(await lossy.void(order.orderId))).toEqual(['unknown'])
    expect(await desk.status(order.orderId)).toBe('voiding')
    expect(kinds(await desk.b.void(order.orderId))).toEqual(['done'])
    expect(await desk.movements(order.orderId)).toEqual(['authorised 1250', 'voided 1250'])
  })
})

describe('void of an authorisation that is not known', () => {
  for (const token of ['tok_timeout_after', 'tok_error_500']) {
    it(`finds the charge and lets it go (${token})`, async () => {
      const order = command({ token })
      await desk.a.authorise(order)
      expect(kinds(await desk.b.void(order.orderId))).toEqual(['done'])
      expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'voided' }])
    })
  }
  it('waits for a charge that appears late', async () => {
    const order = command({ token: 'tok_late' })
    await desk.a.authorise(order)
    expect(kinds(await desk.a.void(order.orderId))).toEqual(['unknown'])
    expect(kinds(await desk.a.authorise(order))).toEqual(['payment_voided'])
    await desk.appear()
    expect(kinds(await desk.a.void(order.orderId))).toEqual(['done'])
    expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'voided' }])
  })
  it('does not take "not found" for final before the bound, and does after it', async () => {
    const order = command({ token: 'tok_timeout_before' })
    await desk.a.authorise(order)
    expect(kinds(await desk.a.void(order.orderId))).toEqual(['unknown'])
    const patientNoMore = desk.with(() => ({}), { notFoundIsFinalAfterMs: 0 })
    expect(kinds(await patientNoMore.void(order.orderId))).toEqual(['done'])
    expect(await desk.status(order.orderId)).toBe('voided')
    expect(kinds(await desk.a.authorise(order))).toEqual(['payment_voided'])
    expect(await desk.charges(order.orderId)).toEqual([])
  })
  it('lets go, at a repeat, of a charge that appeared after the bound', async () => {
    const order = command({ token: 'tok_late' })
    await desk.a.authorise(order)
    expect(kinds(await desk.with(() => ({}), { notFoundIsFinalAfterMs: 0 }).void(order.orderId))).toEqual(['done'])
    await desk.appear()
    await desk.a.void(order.orderId)
    expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'voided' }])
    expect(await desk.movements(order.orderId)).toEqual(['authorised 1250', 'voided 1250'])
  })
  for (const notFoundIsFinalAfterMs of [60_000, 0]) {
    it(`voids what an authorise in flight still brings (bound ${notFoundIsFinalAfterMs} ms)`, async () => {
      const order = command()
      const gate = held(desk.provider)
      const inFlight = desk.with(() => ({ authorise: gate.authorise })).authorise(order)
      await gate.whenAsked
      const voided = await desk.with(() => ({}), { notFoundIsFinalAfterMs }).void(order.orderId)
      expect(kinds(voided)).toEqual([notFoundIsFinalAfterMs === 0 ? 'done' : 'unknown'])
      gate.letGo()
      expect(kinds(await inFlight)).toEqual(['payment_voided'])
      expect(await desk.status(order.orderId)).toBe('voided')
      expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'voided' }])
      expect(kinds(await desk.b.void(order.orderId))).toEqual(['done'])
    })
  }
  it('stops an authorise that has looked already and is about to ask again', async () => {
    const order = command({ token: 'tok_timeout_before' })
    await desk.a.authorise(order)
    const overtaken = desk.with((provider) => ({
      lookup: async (keys) => {
        const found = await provider.lookup(keys)
        await desk.b.void(order.orderId)
        return found
      },
    }))
    expect(kinds(await overtaken.authorise(order))).toEqual(['payment_voided'])
    expect(await desk.charges(order.orderId)).toEqual([])
  })
  it('is done when it turns out that the card was declined', async () => {
    const order = command({ token: 'tok_declined' })
    const lossy = desk.with((provider) => ({
      authorise: async (requests) => {
        await provider.authorise(requests)
        throw new Error('socket hang up')
      },
    }))
    await lossy.authorise(order)
    expect(kinds(await desk.a.void(order.orderId))).toEqual(['done'])
    expect(await desk.status(order.orderId)).toBe('declined')
  })
  it('races with authorise on two instances and never leaves money held', async () => {
    const orders = Array.from({ length: 40 }, () => command())
    const ids = orders.map((order) => order.orderId)
    await Promise.all([desk.a.authorise(...orders), desk.b.void(...[...ids].reverse()), desk.b.authorise(...orders), desk.a.void(...ids)])
    await until(
      () => desk.a.void(...ids),
      (answers) => answers.every((answer) => answer.kind === 'done'),
    )
    for (const id of ids) expect((await desk.charges(id)).filter((charge) => charge.status !== 'voided')).toEqual([])
  })
})
