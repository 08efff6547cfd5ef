import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { accessService } from '../../src/access/service.ts'
import { PrivacyServiceDefinition } from '../../src/gen/comanda/v1/privacy.ts'
import { askToErase, type Eraser, erase, startErasing } from '../../src/orders/erase.ts'
import * as store from '../../src/orders/erase-store.ts'
import { newOrder } from '../../src/orders/messages.ts'
import type { Order } from '../../src/orders/order.ts'
import { privacyService } from '../../src/orders/privacy.ts'
import { acceptOrders } from '../../src/orders/store.ts'
import { makeKey } from '../../src/platform/api-key.ts'
import { connectGrpc, serveGrpc } from '../../src/platform/grpc.ts'
import { newId } from '../../src/platform/ids.ts'
import { silentLog } from '../../src/platform/log.ts'
import { done, fromWire, refused } from '../../src/platform/outcome.ts'
import { type Database, sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'
import { aCommand } from './examples.ts'

let database: TestDatabase
let db: Database
let user: string
beforeAll(async () => {
  database = await testDatabase('orders')
  db = database.db
})
afterAll(() => database.drop())
beforeEach(() => {
  user = `u-${newId()}`
})

const eraser = (more: Partial<Eraser> = {}): Eraser => ({
  db,
  eraseShipments: async (ids) => ids.map(() => done({})),
  idleMs: 0,
  log: silentLog(),
  ...more,
})

const SECRETS = [
  'Ana Secreta',
  'Calle Oculta 7',
  'Villa Escondida',
  'tok_secret',
  'ring twice',
  'key-of-ana',
  'because of my illness',
  'req-ana',
]

/** An order full of what tells who the customer is, in this state. */
async function placed(status: string, over: Partial<Order> = {}): Promise<string> {
  const address = {
    name: 'Ana Secreta',
    line1: 'Calle Oculta 7',
    line2: '',
    city: 'Villa Escondida',
    region: '',
    postalCode: '99999',
    country: 'ES',
  }
  const command = aCommand({ userId: user, address, paymentToken: 'tok_secret', metadata: { note: 'ring twice' }, requestId: 'req-ana' })
  const order = newOrder({ ...command, idempotencyKey: `${user} key-of-ana ${command.orderId}` })
  await acceptOrders(db, [{ ...order, ...over }], 60_000)
  await db.query(sql`
    update orders set status = ${status}, cancel_reason = 'because of my illness', rejected_by = null,
      work = case when ${status} in ('pending', 'confirmed') then work end, due_at = case when ${status} in ('pending', 'confirmed') then due_at end
    where id = ${order.id}`)
  await db.query(
    sql`insert into order_events (order_id, type, data) values (${order.id}, 'order.cancel_requested', '{"reason": "because of my illness"}')`,
  )
  return order.id
}

/** All that the database of orders holds of an order, as text. */
async function allOf(...ids: string[]): Promise<string> {
  const found = await db.query<{ row: string }>(sql`
    select o::text as row from orders o where id = any(${ids}::uuid[])
    union all select e::text from order_events e where order_id = any(${ids}::uuid[])`)
  return found.map(({ row }) => row).join('\n')
}
const ask = (around = eraser()) => askToErase(around, { userId: user, reason: 'asked for it', askedBy: 'k1', requestId: 'r' })
const now = async (id: string) => (await store.getErasure(db, id)) as store.ErasureRow
const userOf = async (id: string) => (await db.query<{ user_id: string }>(sql`select user_id from orders where id = ${id}`))[0]?.user_id

describe('erasing a customer', () => {
  it('leaves nothing of who it was in orders that have ended, nor in their history, and all of what was bought', async () => {
    const ids = [await placed('delivered'), await placed('cancelled'), await placed('rejected')]
    for (const secret of [user, ...SECRETS]) expect(await allOf(...ids)).toContain(secret)
    const erasure = await ask()
    await erase(eraser(), erasure)
    const left = await allOf(...ids)
    for (const secret of [user, ...SECRETS]) expect(left).not.toContain(secret)
    expect(left).toContain('a1')
    expect(await userOf(ids[0] ?? '')).toBe(erasure.pseudonym)
    expect(await now(erasure.id)).toMatchObject({
      user_id: null,
      ended_at: expect.any(Date),
      erased: 3,
      reason: 'asked for it',
      asked_by: 'k1',
    })
    const [row] = await db.query<{ row: string }>(sql`select e::text as row from erasures e where id = ${erasure.id}`)
    expect(row?.row).not.toContain(user)
  })

  it('leaves the orders of others alone', async () => {
    const mine = await placed('delivered')
    const me = user
    user = `u-${newId()}`
    const theirs = await placed('delivered')
    await erase(eraser(), await ask())
    expect(await userOf(mine)).toBe(me)
    expect(await userOf(theirs)).toMatch(/^erased:/)
  })

  it.each(['pending', 'confirmed'])(
    'leaves an order that is %s as it is until it has ended, and then finishes by itself',
    async (status) => {
      const [open, ended] = [await placed(status), await placed('delivered')]
      const before = await allOf(open)
      const erasure = await ask()
      await erase(eraser(), erasure)
      expect(await allOf(open)).toBe(before)
      expect(await userOf(ended)).toBe(erasure.pseudonym)
      expect(await now(erasure.id)).toMatchObject({ user_id: user, ended_at: null, erased: 1 })
      await db.query(sql`update orders set status = 'cancelled', work = null, due_at = null where id = ${open}`)
      const loop = startErasing(eraser(), 20)
      await until('the erasure to end', async () => (await now(erasure.id)).ended_at)
      await loop.stop()
      expect([await userOf(open), (await now(erasure.id)).erased]).toEqual([erasure.pseudonym, 2])
    },
  )

  it('waits for an order whose parcel is still on its way for shipping', async () => {
    const id = await placed('delivered')
    const erasure = await ask()
    await erase(eraser({ eraseShipments: async (ids) => ids.map(() => refused('not_dispatched', 'not yet')) }), erasure)
    expect(await userOf(id)).toBe(user)
    expect((await now(erasure.id)).ended_at).toBeNull()
    await erase(eraser(), erasure)
    expect(await userOf(id)).toBe(erasure.pseudonym)
  })

  it('keeps an order with an idempotency key for a while, so that a late repeat does not place it again', async () => {
    const [withKey, without] = [await placed('delivered'), await placed('delivered', { idempotency_key: null })]
    const around = eraser({ idleMs: 3_600_000 })
    await erase(around, await ask(around))
    expect([await userOf(withKey), await userOf(without)]).toEqual([user, expect.stringMatching(/^erased:/)])
  })

  it('does not touch what is ordered after it was asked for', async () => {
    const erasure = await ask()
    const later = await placed('delivered')
    await erase(eraser(), erasure)
    expect(await userOf(later)).toBe(user)
    expect((await now(erasure.id)).ended_at).not.toBeNull()
  })

  it('goes on where a process died: before shipping answered, and before orders was written', async () => {
    const id = await placed('delivered')
    const erasure = await ask()
    const dies = async () => {
      throw new Error('dead')
    }
    await expect(erase(eraser({ eraseShipments: dies }), erasure)).rejects.toThrow('dead')
    await expect(
      erase(eraser({ db: { ...db, query: (one) => (one.text.includes('update order_events') ? dies() : db.query(one)) } }), erasure),
    ).rejects.toThrow('dead')
    expect(await userOf(id)).toBe(user)
    const again = await ask()
    expect([again.id, again.pseudonym]).toEqual([erasure.id, erasure.pseudonym])
    await erase(eraser(), again)
    expect(await userOf(id)).toBe(erasure.pseudonym)
  })

  it('by two processes at once is one erasure', async () => {
    const ids = [await placed('delivered'), await placed('cancelled')]
    const [one, two] = await Promise.all([ask(), ask()])
    expect(one.id).toBe(two.id)
    await Promise.all([erase(eraser(), one), erase(eraser(), two)])
    expect(await Promise.all(ids.map(userOf))).toEqual([one.pseudonym, one.pseudonym])
    expect((await now(one.id)).ended_at).not.toBeNull()
  })

  it('ends the API keys that were bound to the user, and forgets whose they were', async () => {
    const access = accessService({ db, log: silentLog() })
    const key = makeKey()
    await access.createKeys(
      { commands: [{ ...key, name: `app of ${user}`, scopes: ['orders:read'], userId: user, expiresAt: undefined }] },
      {} as never,
    )
    await ask()
    const [row] = await db.query<{ row: string; revoked: boolean }>(sql`
      select k::text as row, revoked_at is not null as revoked from api_keys k where id = ${key.keyId}`)
    expect(row).toMatchObject({ revoked: true, row: expect.not.stringContaining(user) })
  })
})

describe('history', () => {
  it.each([
    ['another type', sql`update order_events set type = 'order.confirmed' where order_id = any(${[] as string[]}::uuid[]) or true`],
    ['another time', sql`update order_events set at = now() + interval '1 day'`],
    ['another user', sql`update order_events set data = data || '{"user_id": "someone"}'`],
    ['another reason', sql`update order_events set data = data || '{"reason": "better"}' where type = 'order.cancel_requested'`],
    ['less than there was', sql`update order_events set data = data - 'user_id'`],
    ['more than there was', sql`update order_events set data = data || '{"message": "[erased]"}' where type = 'order.accepted'`],
    ['a mark in the place of something else', sql`update order_events set data = jsonb_build_object('total_minor', '[erased]')`],
    ['nothing at all', sql`delete from order_events`],
  ])('can not be changed to %s', async (_what, change) => {
    await placed('delivered')
    await expect(db.query(change)).rejects.toThrow('append-only')
  })
})

describe('over gRPC', () => {
  it('tells how far it is; a dry run only looks; erasures are listed, the newest first', async () => {
    const log = silentLog()
    const server = await serveGrpc(PrivacyServiceDefinition, privacyService(eraser()), { address: '127.0.0.1:0', log })
    const client = connectGrpc(PrivacyServiceDefinition, `127.0.0.1:${server.port}`, 10_000)
    const one = async (more: object = {}) => {
      const { outcomes } = await client.eraseCustomers({ commands: [{ userId: user, reason: 'asked', ...more }] })
      return fromWire<unknown>(outcomes[0])
    }
    const [ended, open] = [await placed('delivered'), await placed('pending')]
    expect(await one({ dryRun: true, reason: '' })).toMatchObject({ kind: 'done', value: { id: '', erased: 0, erasable: 1, waiting: 1 } })
    expect(await userOf(ended)).toBe(user)
    expect(await one()).toMatchObject({
      kind: 'done',
      value: { userId: user, erased: 1, erasable: 0, waiting: 1, waitingOrderIds: [open] },
    })
    expect(await one({ reason: '' })).toMatchObject({ kind: 'refused', code: 'invalid_request' })
    expect(await one({ userId: 'a b' })).toMatchObject({ kind: 'refused', code: 'invalid_request' })
    await db.query(sql`update orders set status = 'cancelled', work = null, due_at = null where id = ${open}`)
    expect(await one()).toMatchObject({ kind: 'done', value: { userId: '', erased: 2, waiting: 0, endedAt: expect.any(Date) } })
    const [page] = (await client.listErasures({ queries: [{ limit: 1 }] })).pages
    expect(page).toMatchObject({ erasures: [{ erased: 2, reason: 'asked' }], next: expect.stringMatching(/-/) })
    client.close()
    await server.stop()
  })
})
