import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { App } from '../../src/gateway/dependencies.ts'
import { Erasure } from '../../src/gen/comanda/v1/privacy.ts'
import { done } from '../../src/platform/outcome.ts'
import { gatewayOn, gatewayWith, ID } from './fakes.ts'
import { keyRing } from './keys.ts'

let app: App
let asked: unknown[] = []
let answer: Partial<Erasure> = {}
const ring = keyRing()

beforeAll(async () => {
  app = await gatewayWith(
    {
      eraseCustomer: async (command) => {
        asked.push(command)
        return done(Erasure.fromPartial(answer))
      },
      listErasures: async (query) => {
        asked.push(query)
        return { erasures: [Erasure.fromPartial({ id: ID, pseudonym: 'erased:x', erased: 3, endedAt: new Date(0) })], next: ID }
      },
    },
    { access: ring.access() },
  )
})
afterAll(() => app.close())
beforeEach(() => {
  asked = []
})

const post = (payload: object, headers = ring.key(['customers:erase'], { id: 'k1' })) =>
  app.inject({ method: 'POST', url: '/erasures', payload, headers })

it('an erasure is asked for by a key, and is 202 until all is erased, then 200', async () => {
  answer = { id: ID, userId: 'u1', pseudonym: 'erased:x', erased: 1, waiting: 1, waitingOrderIds: [ID] }
  const open = await post({ user_id: 'u1', reason: 'asked for it' })
  expect([open.statusCode, open.json()]).toEqual([
    202,
    expect.objectContaining({ user_id: 'u1', erased: 1, waiting: 1, waiting_orders: [ID], ended_at: null, dry_run: false }),
  ])
  expect(asked).toMatchObject([{ userId: 'u1', reason: 'asked for it', dryRun: false, askedBy: expect.stringMatching(/./) }])
  answer = { id: ID, erased: 2, endedAt: new Date(0) }
  const ended = await post({ user_id: 'u1', reason: 'asked for it' })
  expect([ended.statusCode, ended.json()]).toEqual([
    200,
    expect.objectContaining({ user_id: null, erased: 2, ended_at: '1970-01-01T00:00:00.000Z' }),
  ])
})

it('a dry run needs no reason and is 200', async () => {
  answer = { erasable: 4 }
  const reply = await post({ user_id: 'u1', dry_run: true })
  expect([reply.statusCode, reply.json()]).toEqual([200, expect.objectContaining({ id: null, dry_run: true, erasable: 4 })])
})

it.each([{}, { user_id: 'a b', reason: 'x' }, { user_id: 'u1', reason: '' }, { user_id: 'u1', reason: 'x', force: true }])(
  '%j is refused',
  async (body) => {
    expect((await post(body)).json()).toMatchObject({ code: 'invalid_request' })
    expect(asked).toEqual([])
  },
)

it('needs a scope of its own', async () => {
  expect((await post({ user_id: 'u1', reason: 'x' }, ring.key(['ops', 'orders:write']))).json()).toMatchObject({ code: 'scope_missing' })
})

it('erasures are listed page by page', async () => {
  const reply = await app.inject({ url: `/erasures?limit=1&before=${ID}`, headers: ring.key(['customers:erase']) })
  expect(reply.json()).toMatchObject({ erasures: [{ id: ID, pseudonym: 'erased:x', erased: 3 }], next: ID })
  expect(asked).toEqual([{ before: ID, limit: 1 }])
})

it('of which orders of an older version knows nothing is "later", and no error of ours', async () => {
  const { app: mixed, close } = await gatewayOn({ orders: {} })
  const reply = await mixed.inject({ method: 'POST', url: '/erasures', payload: { user_id: 'u1', reason: 'asked for it' } })
  expect([reply.statusCode, reply.json().code, reply.headers['retry-after']]).toEqual([503, 'unavailable', '30'])
  await close()
})
