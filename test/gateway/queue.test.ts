import { afterEach, describe, expect, it } from 'vitest'
import type { ResolveDeadLettersRequest } from '../../src/gen/comanda/v1/orders.ts'
import { done, refused, toWire } from '../../src/platform/outcome.ts'
import { type Fakes, gatewayOn, ID, orderOf } from './fakes.ts'

/** The queue and the dead-letter desk over REST. */

let gateway: Awaited<ReturnType<typeof gatewayOn>> | undefined
afterEach(async () => {
  await gateway?.close()
  gateway = undefined
})

async function send(orders: NonNullable<Fakes['orders']>, url: string, payload?: object) {
  gateway = await gatewayOn({ orders })
  return gateway.app.inject({ method: payload ? 'POST' : 'GET', url, ...(payload && { payload }) })
}
const at = new Date('2026-01-01T00:00:00Z')
const waiting = { work: 'undo', service: 'payment', reason: 'refused: odd', attempts: 10, since: at, deadSince: at, deadReason: 'refused' }
const HAND = { actor: 'ana', reason: 'mended' }

describe('GET /queue', () => {
  it('tells what waits, how much lies on the desk, and how the broker is', async () => {
    const parked = [{ service: 'payment', work: 'place', count: 7, oldestSince: at, nextTryAt: at, isDown: true }]
    const brokerQueues = [{ name: 'orders.parked.payment', ready: 7, delayed: 0, inFlight: 1, dead: 2 }]
    const reply = await send({ getQueue: async () => ({ parked, deadLetters: 3, brokerIsUp: true, brokerQueues }) }, '/queue')
    expect(reply.json()).toEqual({
      parked: [
        {
          ...{ service: 'payment', work: 'place', count: 7, service_is_down: true },
          ...{ oldest_since: at.toISOString(), next_try_at: at.toISOString() },
        },
      ],
      dead_letters: 3,
      broker: { is_up: true, queues: [{ name: 'orders.parked.payment', ready: 7, delayed: 0, in_flight: 1, dead: 2 }] },
    })
  })
})

describe('GET /dead-letters', () => {
  it('shows what could not be done, why, since when and how often it was tried, page by page', async () => {
    const asked: unknown[] = []
    const listDeadLetters = async (query: unknown) => {
      asked.push(query)
      return { orders: [orderOf({ orderId: ID }, { status: 'cancelled', waiting })], next: ID }
    }
    const reply = await send({ listDeadLetters }, `/dead-letters?service=payment&dead_reason=refused&limit=1&after=${ID}`)
    expect(reply.json()).toMatchObject({
      dead_letters: [
        {
          ...{ order_id: ID, status: 'cancelled', work: 'undo', service: 'payment', dead_reason: 'refused' },
          ...{ last_error: 'refused: odd', attempts: 10, dead_since: at.toISOString() },
        },
      ],
      next: ID,
    })
    expect(asked).toMatchObject([{ filter: { service: 'payment', work: '', deadReason: 'refused' }, after: ID, limit: 1 }])
  })

  it.each(['service=nobody', 'work=all', 'dead_reason=x', 'after=x', 'limit=0', 'odd=1'])('refuses ?%s', async (query) => {
    expect((await send({}, `/dead-letters?${query}`)).statusCode).toBe(400)
  })
})

describe('POST /dead-letters/{id}/retry and /cancel', () => {
  it.each(['retry', 'cancel'] as const)('%s hands on who and why, and answers with the order', async (action) => {
    const asked: ResolveDeadLettersRequest[] = []
    const resolveDeadLetters: NonNullable<Fakes['orders']>['resolveDeadLetters'] = async (request) => {
      asked.push(request)
      return { letters: [{ orderId: ID, ...toWire(done(orderOf({ orderId: ID })), (order) => order) }], more: false }
    }
    const reply = await send({ resolveDeadLetters }, `/dead-letters/${ID}/${action}`, HAND)
    expect([reply.statusCode, reply.json().id]).toEqual([202, ID])
    expect(asked).toMatchObject([{ action, orderIds: [ID], ...HAND, dryRun: false }])
  })

  it('is refused for an order that does not lie there', async () => {
    const letters = [{ orderId: ID, ...toWire(refused('not_dead', 'it has ended'), (order) => order as never) }]
    const reply = await send({ resolveDeadLetters: async () => ({ letters, more: false }) }, `/dead-letters/${ID}/retry`, HAND)
    expect([reply.statusCode, reply.json().code]).toEqual([409, 'not_dead'])
  })

  it.each([{}, { actor: 'ana' }, { reason: 'x' }, { ...HAND, actor: '' }, { ...HAND, odd: 1 }])(
    'needs to know who and why: %j',
    async (body) => {
      for (const path of [`/dead-letters/${ID}/retry`, '/dead-letters/cancel']) expect((await send({}, path, body)).statusCode).toBe(400)
    },
  )
})

describe('POST /dead-letters/retry and /cancel', () => {
  it('takes all that the filter matches, and tells of each that was refused', async () => {
    const asked: ResolveDeadLettersRequest[] = []
    const other = ID.replace(/1$/, '2')
    const resolveDeadLetters: NonNullable<Fakes['orders']>['resolveDeadLetters'] = async (request) => {
      asked.push(request)
      const answers = [done(orderOf({ orderId: ID })), refused('order_ended', 'it is rejected already')]
      return {
        letters: [ID, other].map((orderId, i) => ({ orderId, ...toWire(answers[i] as never, (order) => order as never) })),
        more: true,
      }
    }
    const reply = await send({ resolveDeadLetters }, '/dead-letters/cancel', { ...HAND, dry_run: true, filter: { work: 'place' } })
    expect(reply.json()).toEqual({
      ...{ dry_run: true, count: 1, orders: [ID], more: true },
      refused: [{ order_id: other, code: 'order_ended', detail: 'it is rejected already' }],
    })
    expect(asked).toMatchObject([{ action: 'cancel', orderIds: [], dryRun: true, filter: { work: 'place', service: '' }, ...HAND }])
  })
})

describe('/dead-letters/messages', () => {
  it('shows the messages of the broker, and puts them back or throws them away', async () => {
    const messages = [{ key: 'orders.facts/m1', queue: 'orders.facts', body: '{"n":1}', error: 'odd', attempts: 4, diedAt: at }]
    const shown = await send({ listDeadMessages: async () => ({ messages, next: '' }) }, '/dead-letters/messages?limit=5')
    expect(shown.json()).toEqual({
      messages: [{ key: 'orders.facts/m1', queue: 'orders.facts', body: { n: 1 }, error: 'odd', attempts: 4, died_at: at.toISOString() }],
      next: null,
    })
    await gateway?.close()
    const asked: unknown[] = []
    const resolveDeadMessages = async (request: unknown) => {
      asked.push(request)
      return { count: 1 }
    }
    for (const action of ['retry', 'discard']) {
      const reply = await send({ resolveDeadMessages }, `/dead-letters/messages/${action}`, { ...HAND, keys: ['orders.facts/m1'] })
      expect(reply.json()).toEqual({ count: 1 })
      await gateway?.close()
    }
    gateway = undefined
    expect(asked).toMatchObject([
      { action: 'retry', keys: ['orders.facts/m1'], ...HAND },
      { action: 'discard', keys: ['orders.facts/m1'], ...HAND },
    ])
  })
})
