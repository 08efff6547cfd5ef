import { ServerError, Status } from 'nice-grpc'
import { afterEach, describe, expect, it } from 'vitest'
import type { PlaceOrderCommand } from '../../src/gen/comanda/v1/orders.ts'
import { ERRORS } from '../../src/platform/errors.ts'
import { done, refused, unknown } from '../../src/platform/outcome.ts'
import { BODY, type Fakes, gatewayOn, message, orderOf, ordersThat } from './fakes.ts'

/** POST /orders: every row of the table of answers (DESIGN.md §7). */

let gateway: Awaited<ReturnType<typeof gatewayOn>> | undefined
afterEach(async () => {
  await gateway?.close()
  gateway = undefined
})

async function post(fakes: Fakes, headers: Record<string, string> = {}, body: object = BODY) {
  gateway = await gatewayOn(fakes)
  return gateway.app.inject({ method: 'POST', url: '/orders', headers, payload: body })
}

/** Holds the streams of slow orders open until the test is over. */
let over = Promise.withResolvers<void>()
afterEach(() => {
  over.resolve()
  over = Promise.withResolvers<void>()
})
const rejectedWith = (code: string) =>
  ordersThat((command) => done(orderOf(command, { status: 'rejected', rejection: { code, message: `it is ${code}` } })))

describe('an order posted', () => {
  it('and confirmed within the wait is answered 201 with its place', async () => {
    const reply = await post({ orders: ordersThat((command) => done(orderOf(command, { status: 'confirmed', totalMinor: 1_990 }))) })
    expect(reply.statusCode).toBe(201)
    expect(reply.json()).toMatchObject({ status: 'confirmed', total_minor: 1_990, rejection: null, waiting: null })
    expect(reply.headers.location).toBe(`/orders/${reply.json().id}`)
  })

  it('and parked is answered 202 at once, with what it waits for', async () => {
    const waiting = { work: 'place', service: 'payment', reason: 'down', attempts: 3, since: new Date(0), nextTryAt: new Date(1_000) }
    const reply = await post({ orders: ordersThat((command) => done(orderOf(command, { waiting }))) })
    expect(reply.statusCode).toBe(202)
    expect(reply.headers['retry-after']).toBe('1')
    expect(reply.json().waiting).toEqual({
      work: 'place',
      service: 'payment',
      reason: 'down',
      attempts: 3,
      since: '1970-01-01T00:00:00.000Z',
      next_try_at: '1970-01-01T00:00:01.000Z',
      dead_since: null,
      dead_reason: null,
    })
  })

  it.each([
    ['out_of_stock', 409],
    ['product_discontinued', 409],
    ['currency_mismatch', 409],
    ['total_mismatch', 409],
    ['carrier_refused', 409],
    ['payment_method_limit', 409],
    ['payment_declined', 402],
    ['unknown_product', 422],
    ['a_code_of_tomorrow', 409],
  ])('and rejected for %s is answered %i, with the order that exists', async (code, status) => {
    const reply = await post({ orders: rejectedWith(code) })
    expect(reply.statusCode).toBe(status)
    expect(reply.headers['content-type']).toContain('application/problem+json')
    const problem = reply.json()
    expect(problem).toMatchObject({ status, code: code in ERRORS ? code : 'order_rejected', request_id: reply.headers['x-request-id'] })
    expect(problem.detail).toContain(code)
    expect(reply.headers.location).toBe(`/orders/${problem.order_id}`)
  })

  it.each(['unknown_product', 'idempotency_key_reused'])(
    'and refused before it is stored (%s) is answered 422 without an order',
    async (code) => {
      const orders = {
        async *placeOrders({ commands }: { commands: unknown[] }) {
          yield message(commands.map((_, index) => ({ index, ended: true, answer: refused(code, 'no') })))
        },
      }
      const reply = await post({ orders })
      expect([reply.statusCode, reply.json().code, reply.json().order_id, reply.headers.location]).toEqual([
        422,
        code,
        undefined,
        undefined,
      ])
    },
  )

  it('whose outcome orders does not know is answered 503', async () => {
    const orders = {
      async *placeOrders() {
        yield message([{ index: 0, ended: true, answer: unknown('the database said nothing') }])
      },
    }
    const reply = await post({ orders })
    expect([reply.statusCode, reply.json().code, reply.headers['retry-after']]).toEqual([503, 'unavailable', '1'])
  })

  it('again under its key after it was cancelled is answered 200 as it is', async () => {
    const reply = await post({ orders: ordersThat((command) => done(orderOf(command, { status: 'cancelled' }))) })
    expect([reply.statusCode, reply.json().status]).toEqual([200, 'cancelled'])
  })

  it.each(['dispatched', 'delivered'])('again under its key after it was %s is answered 201', async (status) => {
    expect((await post({ orders: ordersThat((command) => done(orderOf(command, { status }))) })).statusCode).toBe(201)
  })

  it.each(['respond-async', 'wait=0'])('with Prefer: %s is answered 202 without waiting for its end', async (prefer) => {
    const orders = {
      async *placeOrders({ commands }: { commands: PlaceOrderCommand[] }) {
        yield message(commands.map((command, index) => ({ index, ended: false, answer: done(orderOf(command)) })))
        await over.promise
      },
    }
    const reply = await post({ orders }, { prefer })
    expect([reply.statusCode, reply.json().status]).toEqual([202, 'pending'])
  })

  it('goes to orders with a new id, the request id, the key and the fingerprint of the body, whatever the order of its fields', async () => {
    const seen: PlaceOrderCommand[] = []
    const orders = ordersThat((command) => {
      seen.push(command)
      return done(orderOf(command, { status: 'confirmed' }))
    })
    await post({ orders }, { 'idempotency-key': 'k1', 'x-request-id': 'mine-1' })
    const { user_id, items, payment_method } = BODY
    await gateway?.app.inject({
      method: 'POST',
      url: '/orders',
      headers: { 'idempotency-key': 'k1' },
      payload: { payment_method, items, user_id },
    })
    await gateway?.app.inject({
      method: 'POST',
      url: '/orders',
      headers: { 'idempotency-key': 'k1' },
      payload: { ...BODY, user_id: 'u124' },
    })
    expect(seen[0]).toMatchObject({
      requestId: 'mine-1',
      userId: 'u123',
      idempotencyKey: 'k1',
      expectedTotalMinor: -1,
      shippingMethod: 'standard',
    })
    const [first, reordered, other] = seen.map((command) => Buffer.from(command.fingerprint).toString('hex'))
    expect(first).toMatch(/^[0-9a-f]{64}$/)
    expect(reordered).toBe(first)
    expect(other).not.toBe(first)
    expect(new Set(seen.map((command) => command.orderId)).size).toBe(3)
  })
})

describe('when the connection to orders breaks', () => {
  it('before the first message, the same commands are sent again under the same ids', async () => {
    const seen: string[][] = []
    const orders = {
      async *placeOrders({ commands }: { commands: PlaceOrderCommand[] }) {
        seen.push(commands.map((command) => command.orderId))
        if (seen.length < 3) throw new ServerError(Status.UNAVAILABLE, 'going down')
        yield message(commands.map((command, index) => ({ index, ended: true, answer: done(orderOf(command, { status: 'confirmed' })) })))
      },
    }
    const reply = await post({ orders })
    expect(reply.statusCode).toBe(201)
    expect(seen).toEqual([seen[0], seen[0], seen[0]])
    expect(reply.json().id).toBe(seen[0]?.[0])
  })

  it('after the first message, the answer is 202 with the order as it stands', async () => {
    const reply = await post({
      orders: {
        async *placeOrders({ commands }) {
          yield message(commands.map((command, index) => ({ index, ended: false, answer: done(orderOf(command)) })))
          throw new ServerError(Status.UNAVAILABLE, 'killed')
        },
        getOrders: async ({ orderIds }) => ({ orders: orderIds.map((orderId) => orderOf({ orderId }, { version: 7 })) }),
      },
    })
    expect([reply.statusCode, reply.json().version]).toEqual([202, 7])
  })

  it('and orders can not be asked either, the answer is 202 with the order as accepted', async () => {
    const reply = await post({
      orders: {
        async *placeOrders({ commands }) {
          yield message(commands.map((command, index) => ({ index, ended: false, answer: done(orderOf(command)) })))
          throw new ServerError(Status.UNAVAILABLE, 'killed')
        },
      },
    })
    expect([reply.statusCode, reply.json().version]).toEqual([202, 1])
  })

  it('and orders stays away, the answer is 503 with Retry-After', async () => {
    const reply = await post({})
    expect([reply.statusCode, reply.json().code, reply.headers['retry-after']]).toEqual([503, 'unavailable', '1'])
  })

  it('and orders hangs before it has said anything, the answer is 503 within the deadline of one call', async () => {
    let calls = 0
    const orders = {
      async *placeOrders(_request: unknown, { signal }: { signal: AbortSignal }) {
        calls++
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new ServerError(Status.CANCELLED, 'gone'))))
        yield message([])
      },
    }
    const reply = await post({ orders })
    expect([reply.statusCode, reply.json().code, calls]).toEqual([503, 'unavailable', 1])
  })

  it('orders that fails without a word about why is a 500 that tells nothing of the inside', async () => {
    const orders = {
      async *placeOrders() {
        yield await Promise.reject(new Error('secret of the inside'))
      },
    }
    const reply = await post({ orders } as never)
    expect([reply.statusCode, reply.json().code]).toEqual([500, 'internal_error'])
    expect(reply.body).not.toContain('secret')
  })
})

it('a slow order holds up no neighbour of its batch', async () => {
  gateway = await gatewayOn({
    orders: {
      async *placeOrders({ commands }) {
        yield message(commands.map((command, index) => ({ index, ended: false, answer: done(orderOf(command)) })))
        yield message(
          commands.flatMap((command, index) =>
            command.userId === 'slow' ? [] : [{ index, ended: true, answer: done(orderOf(command, { status: 'confirmed' })) }],
          ),
        )
        await over.promise
      },
      getOrders: async ({ orderIds }) => ({ orders: orderIds.map((orderId) => orderOf({ orderId })) }),
    },
  })
  const { app } = gateway
  const answers: string[] = []
  const send = async (user_id: string, prefer: string) => {
    const reply = await app.inject({ method: 'POST', url: '/orders', headers: { prefer }, payload: { ...BODY, user_id } })
    answers.push(`${user_id} ${reply.statusCode}`)
  }
  await Promise.all([send('slow', 'wait=4'), ...['u1', 'u2', 'u3'].map((user) => send(user, 'wait=30'))])
  expect(answers.toSorted()).toEqual(['slow 202', 'u1 201', 'u2 201', 'u3 201'])
  expect(answers.at(-1)).toBe('slow 202')
})

it('a full queue is 503 overloaded, before anything is stored', async () => {
  gateway = await gatewayOn({})
  const { app } = gateway
  const flood = await Promise.all(Array.from({ length: 5_200 }, () => app.inject({ method: 'POST', url: '/orders', payload: BODY })))
  const codes = flood.map((reply) => reply.json().code)
  expect(new Set(codes)).toEqual(new Set(['unavailable', 'overloaded']))
  expect(flood.find((reply) => reply.json().code === 'overloaded')?.headers['retry-after']).toBe('1')
}, 120_000)
