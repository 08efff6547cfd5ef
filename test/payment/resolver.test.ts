import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { PaymentProvider } from '../../src/payment/provider.ts'
import { resolveOnce } from '../../src/payment/resolver.ts'
import { sql } from '../../src/platform/postgres.ts'
import { command, kinds, openDesk, until } from './desk.ts'

let desk: Awaited<ReturnType<typeof openDesk>>
beforeAll(async () => {
  desk = await openDesk()
})
afterEach(() => desk.expectBalance())
afterAll(() => desk.drop())

const impatient = () => desk.contextOf({ notFoundIsFinalAfterMs: 0 })

describe('a process that dies', () => {
  for (const when of ['before', 'after'] as const) {
    it(`${when} the provider authorises: the resolver brings the payment to its end, charged once`, async () => {
      const order = command()
      const { dying, whenDead } = desk.dies('authorise', when)
      void dying.authorise(order)
      await whenDead
      expect(await desk.status(order.orderId)).toBe('intent')
      await desk.look()
      expect(await desk.status(order.orderId)).toBe('authorised')
      expect(await desk.charges(order.orderId)).toHaveLength(1)
      expect(await desk.movements(order.orderId)).toEqual(['authorised 1250'])
    })
    it(`${when} the provider captures: the resolver captures, once`, async () => {
      const order = command()
      await desk.a.authorise(order)
      const { dying, whenDead } = desk.dies('capture', when)
      void dying.capture(order.orderId)
      await whenDead
      await desk.look()
      expect(await desk.status(order.orderId)).toBe('captured')
      expect(await desk.movements(order.orderId)).toEqual(['authorised 1250', 'captured 1250'])
    })
    it(`${when} the provider voids: the resolver lets go, once`, async () => {
      const order = command()
      await desk.a.authorise(order)
      const { dying, whenDead } = desk.dies('void', when)
      void dying.void(order.orderId)
      await whenDead
      await desk.look()
      expect(await desk.status(order.orderId)).toBe('voided')
      expect(await desk.movements(order.orderId)).toEqual(['authorised 1250', 'voided 1250'])
    })
    it(`${when} the provider refunds: the resolver refunds, once`, async () => {
      const order = command()
      await desk.a.authorise(order)
      await desk.a.capture(order.orderId)
      const { dying, whenDead } = desk.dies('refund', when)
      void dying.refund(order.orderId, 'r1', 250)
      await whenDead
      await desk.look()
      expect(await desk.read(order.orderId)).toMatchObject({ status: 'captured', refunded_minor: 250 })
      expect(await desk.charges(order.orderId)).toMatchObject([{ refunded_minor: 250 }])
    })
  }
  it('between the wish to void and the look at the provider: the resolver finds the charge and lets it go', async () => {
    const order = command({ token: 'tok_timeout_after' })
    await desk.a.authorise(order)
    const { dying, whenDead } = desk.dies('lookup', 'before')
    void dying.void(order.orderId)
    await whenDead
    expect(await desk.read(order.orderId)).toMatchObject({ status: 'unknown', void_requested: true })
    await desk.look()
    expect(await desk.status(order.orderId)).toBe('voided')
    expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'voided' }])
  })
  it('after the charge was let go as a wrong amount was decided: the resolver finishes the void', async () => {
    const order = command({ token: 'tok_wrong_amount' })
    const { dying, whenDead } = desk.dies('void', 'before')
    void dying.authorise(order)
    await whenDead
    await desk.look()
    expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'voided', amount_minor: 1_251 }])
    expect(kinds(await desk.a.authorise(order))).toEqual(['payment_declined'])
  })
})

describe('a charge that appears after "not found" was taken for final', () => {
  it('is let go by the resolver when the process that voided it is dead', async () => {
    const order = command({ token: 'tok_late' })
    await desk.a.authorise(order)
    expect(kinds(await desk.with(() => ({}), { notFoundIsFinalAfterMs: 0 }).void(order.orderId))).toEqual(['done'])
    expect(await desk.status(order.orderId)).toBe('voided')
    await desk.appear()
    await desk.look()
    expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'voided' }])
    expect(await desk.movements(order.orderId)).toEqual(['authorised 1250', 'voided 1250'])
    expect(kinds(await desk.a.authorise(order))).toEqual(['payment_voided'])
  })
  it('because a paused process woke up, charged and died, is let go by the resolver', async () => {
    const order = command()
    let wake = () => {}
    const asleep = new Promise<void>((resolve) => {
      wake = resolve
    })
    let charged = () => {}
    let asked = () => {}
    const whenAsked = new Promise<void>((resolve) => {
      asked = resolve
    })
    const whenCharged = new Promise<void>((resolve) => {
      charged = resolve
    })
    const paused = desk.with((provider) => ({
      authorise: async (requests) => {
        asked()
        await asleep
        await provider.authorise(requests)
        charged()
        return new Promise(() => {})
      },
    }))
    void paused.authorise(order)
    await whenAsked
    expect(kinds(await desk.with(() => ({}), { notFoundIsFinalAfterMs: 0 }).void(order.orderId))).toEqual(['done'])
    wake()
    await whenCharged
    expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'authorised' }])
    await desk.look()
    expect(await desk.charges(order.orderId)).toMatchObject([{ status: 'voided' }])
  })
  it('is looked for ever more rarely, and no more after a week', async () => {
    const order = command({ token: 'tok_timeout_before' })
    await desk.a.authorise(order)
    await desk.with(() => ({}), { notFoundIsFinalAfterMs: 0 }).void(order.orderId)
    const next = async () =>
      (
        await desk.db.query<{ s: number | null }>(
          sql`select extract(epoch from resolve_at - now())::float8 as s from payments where order_id = ${order.orderId}`,
        )
      )[0]?.s ?? null
    const waits: (number | null)[] = []
    for (let i = 0; i < 5; i++) {
      await desk.look()
      waits.push(await next())
    }
    expect(waits[4]).toBeGreaterThan(4 * (waits[0] ?? Number.NaN))
    await desk.db.query(sql`update payments set asked_at = now() - interval '8 days' where order_id = ${order.orderId}`)
    await desk.look()
    expect(await next()).toBeNull()
  })
})

describe('the resolver', () => {
  it('leaves alone what is younger than a call takes', async () => {
    const order = command({ token: 'tok_timeout_after' })
    await desk.a.authorise(order)
    await resolveOnce(desk.b.context)
    expect(await desk.status(order.orderId)).toBe('unknown')
    await desk.look()
    expect(await desk.status(order.orderId)).toBe('authorised')
  })
  it('shares its work: two at once take each payment once', async () => {
    const orders = Array.from({ length: 60 }, () => command({ token: 'tok_timeout_after' }))
    await desk.a.authorise(...orders)
    await desk.db.query(sql`update payments set resolve_at = now() - interval '1 second' where resolve_at is not null`)
    const seen: string[] = []
    const counting = (context = desk.a.context) => ({
      ...context,
      provider: {
        ...context.provider,
        lookup: (keys: readonly string[]) => {
          seen.push(...keys)
          return context.provider.lookup(keys)
        },
      } satisfies PaymentProvider,
    })
    await Promise.all([resolveOnce(counting(desk.a.context)), resolveOnce(counting(desk.b.context))])
    const mine = seen.filter((key) => orders.some((order) => key.endsWith(order.orderId)))
    expect(mine.length).toBe(60)
    expect(new Set(mine).size).toBe(60)
    for (const { orderId } of orders) expect(await desk.status(orderId)).toBe('authorised')
  })
  it('may run beside the commands and beside itself: each payment has one end and one charge', async () => {
    const orders = Array.from({ length: 40 }, (_, i) => command({ token: i % 2 ? 'tok_timeout_after' : 'tok_timeout_before' }))
    const ids = orders.map((order) => order.orderId)
    await desk.a.authorise(...orders)
    await Promise.all([desk.look(desk.a.context), desk.look(), desk.a.authorise(...orders), desk.b.void(...ids.slice(0, 20)), desk.look()])
    await until(
      () => desk.look(impatient()).then(() => desk.a.void(...ids.slice(0, 20))),
      (answers) => answers.every((answer) => answer.kind === 'done'),
    )
    for (const id of ids.slice(20)) expect(await desk.charges(id)).toMatchObject([{ status: 'authorised' }])
    for (const id of ids.slice(0, 20)) expect((await desk.charges(id)).filter((charge) => charge.status !== 'voided')).toEqual([])
  })
  it('lets one that fails alone fail alone', async () => {
    const [bad, good] = [command({ token: 'tok_timeout_after' }), command({ token: 'tok_timeout_after' })]
    await desk.a.authorise(bad, good)
    const broken = desk.with((provider) => ({
      lookup: async (keys) => {
        const answers = await provider.lookup(keys)
        return answers.map((answer, i) => (keys[i]?.endsWith(bad.orderId) ? { ...(answer as object), amountMinor: 1.5 } : answer) as never)
      },
    }))
    await desk.look(broken.context)
    expect([await desk.status(bad.orderId), await desk.status(good.orderId)]).toEqual(['unknown', 'authorised'])
    await desk.look()
    expect(await desk.status(bad.orderId)).toBe('authorised')
  })
  it('does not ask again with a key that the provider may have forgotten', async () => {
    const order = command({ token: 'tok_timeout_before' })
    await desk.a.authorise(order)
    await desk.db.query(sql`update payments set created_at = now() - interval '23 hours 1 minute' where order_id = ${order.orderId}`)
    await desk.look()
    expect(await desk.a.authorise(order)).toMatchObject([
      { kind: 'unknown', message: 'first asked too long ago to be asked again: only looked up' },
    ])
    expect(await desk.charges(order.orderId)).toEqual([])
    expect(kinds(await desk.with(() => ({}), { notFoundIsFinalAfterMs: 0 }).void(order.orderId))).toEqual(['done'])
  })
})

describe('a key that the provider has forgotten', () => {
  /** Does not know what it did: it looks at the charge only, and declines what is done already. */
  const declined = async (requests: readonly unknown[]) =>
    requests.map(() => ({ kind: 'declined' as const, code: 'charge_done', message: 'the charge is done' }))
  it('makes no failure of a capture or a void that was done, and no second refund', async () => {
    const [capture, voided, refund] = [command(), command(), command()]
    await desk.a.authorise(capture, voided, refund)
    await desk.a.capture(refund.orderId)
    const capturing = desk.dies('capture', 'after')
    void capturing.dying.capture(capture.orderId)
    const voiding = desk.dies('void', 'after')
    void voiding.dying.void(voided.orderId)
    const refunding = desk.dies('refund', 'after')
    void refunding.dying.refund(refund.orderId, 'r1', 50)
    await Promise.all([capturing.whenDead, voiding.whenDead, refunding.whenDead])
    await desk.look(desk.with(() => ({ capture: declined, void: declined, refund: declined })).context)
    expect([await desk.status(capture.orderId), await desk.status(voided.orderId)]).toEqual(['captured', 'voided'])
    expect(await desk.a.refund(refund.orderId, 'r1', 50)).toMatchObject({ kind: 'done', value: { refunded_minor: 50 } })
    expect(await desk.charges(refund.orderId)).toMatchObject([{ refunded_minor: 50 }])
  })
  it('is not used for a refund again: whether it was done is told from the book, and money goes back once', async () => {
    const [gone, lost, unclear] = [command(), command(), command()]
    const orders = [gone, lost, unclear]
    await desk.a.authorise(...orders)
    await desk.a.capture(...orders.map((order) => order.orderId))
    const after = desk.dies('refund', 'after')
    void after.dying.refund(gone.orderId, 'r1', 50)
    const before = desk.dies('refund', 'before')
    void before.dying.refund(lost.orderId, 'r1', 50)
    const two = ['r1', 'r2'].map((id) => {
      const dead = desk.dies('refund', id === 'r1' ? 'after' : 'before')
      void dead.dying.refund(unclear.orderId, id, 50)
      return dead.whenDead
    })
    await Promise.all([after.whenDead, before.whenDead, ...two])
    await desk.age('24 hours')
    // To a provider that has forgotten, every key is a new one.
    let asked = 0
    const forgetful = desk.with((provider) => ({
      refund: (requests) => provider.refund(requests.map((request) => ({ ...request, key: `${request.key} again ${asked++}` }))),
    }))
    await desk.look(forgetful.context)
    expect(asked).toBe(1)
    for (const order of [gone, lost]) {
      expect(await desk.charges(order.orderId)).toMatchObject([{ refunded_minor: 50 }])
      expect(await desk.read(order.orderId)).toMatchObject({ refunded_minor: 50 })
    }
    expect(await desk.read(unclear.orderId)).toMatchObject({ refunded_minor: 0 })
    expect(await desk.a.refund(unclear.orderId, 'r1', 50)).toMatchObject({ kind: 'unknown' })
    // A person has looked, and put it right.
    await desk.db.query(sql`update refunds set created_at = now() where order_id = ${unclear.orderId}`)
    await desk.look()
    expect(await desk.read(unclear.orderId)).toMatchObject({ refunded_minor: 100 })
  })
})
