import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PrivacyServiceDefinition } from '../../src/gen/comanda/v1/privacy.ts'
import { ShippingServiceDefinition, type ShippingServiceImplementation } from '../../src/gen/comanda/v1/shipping.ts'
import { askToErase, type Eraser, erase, eraseShipmentsAt, startErasing } from '../../src/orders/erase.ts'
import * as store from '../../src/orders/erase-store.ts'
import { newOrder } from '../../src/orders/messages.ts'
import { privacyService } from '../../src/orders/privacy.ts'
import { acceptOrders } from '../../src/orders/store.ts'
import { connectGrpc, serveGrpc } from '../../src/platform/grpc.ts'
import { newId } from '../../src/platform/ids.ts'
import { silentLog } from '../../src/platform/log.ts'
import { done, fromWire, toWire } from '../../src/platform/outcome.ts'
import { type Database, sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'
import { aCommand } from './examples.ts'

/** Erasing when shipping hangs, dies or repeats itself, and when orders come in at that very moment. */

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
const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

const eraser = (more: Partial<Eraser> = {}): Eraser => ({
  db,
  eraseShipments: async (ids) => ids.map(() => done({})),
  idleMs: 0,
  log: silentLog(),
  ...more,
})
const anOrder = () => ({ ...newOrder(aCommand({ userId: user })), idempotency_key: null })
const ENDED = sql`update orders set status = 'delivered', work = null, due_at = null where status = 'pending'`

async function placed(): Promise<string> {
  const order = anOrder()
  await acceptOrders(db, [order], 60_000)
  await db.query(ENDED)
  return order.id
}
const ask = () => askToErase(eraser(), { userId: user, reason: 'asked for it', askedBy: 'k1', requestId: 'r' })
const now = async (id: string) => (await store.getErasure(db, id)) as store.ErasureRow
const userOf = async (id: string) => (await db.query<{ user_id: string }>(sql`select user_id from orders where id = ${id}`))[0]?.user_id

describe('an order that is accepted at the very moment', () => {
  it('and committed only when the erasure is through is erased all the same', async () => {
    const order = anOrder()
    const { promise: asked, resolve: commit } = Promise.withResolvers<void>()
    const { promise: written, resolve: isWritten } = Promise.withResolvers<void>()
    const late = db.transaction(async (tx) => {
      await acceptOrders(tx as unknown as Database, [order], 60_000)
      isWritten()
      await asked
    })
    await written
    const erasure = await ask()
    await erase(eraser(), erasure)
    commit()
    await late
    await db.query(ENDED)
    await erase(eraser(), await now(erasure.id))
    expect(await userOf(order.id)).toBe(erasure.pseudonym)
    expect((await now(erasure.id)).ended_at).not.toBeNull()
  })

  it('in the same millisecond is erased, and the erasure ends', async () => {
    const id = await placed()
    const erasure = await ask()
    await db.query(sql`update orders set created_at = date_trunc('second', created_at) + interval '200 us' where id = ${id}`)
    await db.query(sql`
      update erasures set asked_at = (select created_at + interval '300 us' from orders where id = ${id}) where id = ${erasure.id}`)
    await erase(eraser(), await now(erasure.id))
    expect([await userOf(id), (await now(erasure.id)).ended_at]).toEqual([erasure.pseudonym, expect.any(Date)])
  })
})

/** shipping, which erases with this, over gRPC. `calls`: what it was asked, call by call. */
async function shipping(answer: (orderIds: string[]) => Promise<unknown>) {
  const calls: string[][] = []
  const service = {
    ...Object.fromEntries(Object.keys(ShippingServiceDefinition.methods).map((name) => [name, answer])),
    eraseShipments: async ({ commands }: { commands: { orderId: string }[] }) => {
      const ids = commands.map(({ orderId }) => orderId)
      calls.push(ids)
      await answer(ids)
      return { outcomes: ids.map(() => toWire(done([]), () => ({}) as never)) }
    },
  } as unknown as ShippingServiceImplementation
  const server = await serveGrpc(ShippingServiceDefinition, service, { address: '127.0.0.1:0', log: silentLog() })
  const client = connectGrpc(ShippingServiceDefinition, `127.0.0.1:${server.port}`, 3_000)
  open.push(server.stop, client.close)
  return { calls, eraseShipments: eraseShipmentsAt(client) }
}

/** Asks orders over gRPC to erase the user. */
async function askOver(around: Eraser) {
  const server = await serveGrpc(PrivacyServiceDefinition, privacyService(around), { address: '127.0.0.1:0', log: silentLog() })
  const client = connectGrpc(PrivacyServiceDefinition, `127.0.0.1:${server.port}`, 20_000)
  open.push(server.stop, client.close)
  const { outcomes } = await client.eraseCustomers({ commands: [{ userId: user, reason: 'asked' }] })
  return fromWire<unknown>(outcomes[0])
}

describe('a shipping', () => {
  it('that never answers keeps nobody waiting: the erasure is told to be open, and ends by itself when shipping answers', async () => {
    const id = await placed()
    const { promise: hangs, resolve: release } = Promise.withResolvers<void>()
    const { calls, eraseShipments } = await shipping(() => hangs)
    const answer = await askOver(eraser({ eraseShipments }))
    expect(answer).toMatchObject({ kind: 'done', value: { userId: user, erased: 0, erasable: 1, endedAt: undefined } })
    expect(await userOf(id)).toBe(user)
    release()
    const loop = startErasing(eraser({ eraseShipments }), 20)
    open.push(loop.stop)
    await until('the order to be erased', async () => (await userOf(id)) !== user)
    expect(calls.length).toBeGreaterThan(1)
  })

  it('that did its work and was not heard does it again, and that changes nothing', async () => {
    const id = await placed()
    let lost = 1
    const { promise: never, resolve: atLast } = Promise.withResolvers<void>()
    const { calls, eraseShipments } = await shipping(async () => {
      if (lost-- > 0) await never
    })
    open.push(atLast)
    await expect(erase(eraser({ eraseShipments }), await ask())).rejects.toThrow('DEADLINE')
    const erasure = await ask()
    await erase(eraser({ eraseShipments }), erasure)
    expect(calls).toEqual([[id], [id]])
    expect([await userOf(id), (await now(erasure.id)).erased]).toEqual([erasure.pseudonym, 1])
  })

  it('that fails with one customer does not hold up the others', async () => {
    const stuck = await placed()
    await ask()
    user = `u-${newId()}`
    const id = await placed()
    const erasure = await ask()
    const eraseShipments: Eraser['eraseShipments'] = async (ids) => {
      if (ids.includes(stuck)) throw new Error('no')
      return ids.map(() => done({}))
    }
    const loop = startErasing(eraser({ eraseShipments }), 20)
    open.push(loop.stop)
    await until('the erasure to end', async () => (await now(erasure.id)).ended_at)
    expect(await userOf(id)).toBe(erasure.pseudonym)
  })
})

it('stops between two batches when its process ends', async () => {
  await db.query(sql`
    insert into orders (id, user_id, status, items, payment_method, shipping_method)
    select gen_random_uuid(), ${user}, 'delivered', '[]', 'paypal', 'standard' from generate_series(1, 1001)`)
  const erasure = await ask()
  let stopped: Promise<void> | undefined
  const loop = startErasing(
    eraser({
      eraseShipments: async (ids) => {
        if (ids.length === 500) stopped ??= loop.stop()
        return ids.map(() => done({}))
      },
    }),
  )
  await until('it to be stopped', () => stopped !== undefined)
  await stopped
  expect((await now(erasure.id)).erased).toBe(500)
})

it('a pseudonym is nobody who could be erased', async () => {
  user = (await ask()).pseudonym
  expect(await askOver(eraser())).toMatchObject({ kind: 'refused', code: 'invalid_request' })
})

it('asked for while it ends is asked for anew', async () => {
  const first = await ask()
  // The other process ends it after our insert has met it, and before we look for it.
  const transaction: Database['transaction'] = (work) =>
    db.transaction(async (tx) => {
      const query = async <Row>(statement: Parameters<Database['query']>[0]): Promise<Row[]> => {
        await tx.query(sql`select 1`)
        await db.query(sql`update erasures set user_id = null, ended_at = now() where id = ${first.id} and ended_at is null`)
        return tx.query<Row>(statement)
      }
      return work({ ...tx, query })
    })
  const second = await askToErase(eraser({ db: { ...db, transaction } }), { userId: user, reason: 'again', askedBy: '', requestId: 'r' })
  expect(second.id).not.toBe(first.id)
  expect(second).toMatchObject({ reason: 'again', ended_at: null })
})
