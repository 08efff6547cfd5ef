import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PlaceOrderCommand } from '../../src/gen/comanda/v1/orders.ts'
import { acceptOrders, productCheck } from '../../src/orders/accept.ts'
import { newId } from '../../src/platform/ids.ts'
import { type Database, openDatabase, sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aCommand, fingerprintOf } from './examples.ts'

let database: TestDatabase
let db: Database
let other: Database
beforeAll(async () => {
  database = await testDatabase('orders')
  db = database.db
  other = openDatabase(database.url, { max: 4 })
})
afterAll(async () => {
  await other.close()
  await database.drop()
})

const all = productCheck(async (ids) => new Set(ids.filter((id) => id !== 'nothing')))
const accept = (on: Database, commands: PlaceOrderCommand[], products = all) => acceptOrders(on, commands, { leaseMs: 60_000, products })

/** One word per answer: "new <id>", "known <id>" or the refusal's code. */
async function words(answers: ReturnType<typeof accept>) {
  return (await answers).map((answer) =>
    answer.kind === 'done'
      ? `${answer.value.isNew ? 'new' : 'known'} ${answer.value.order.id}`
      : answer.kind === 'refused'
        ? answer.code
        : 'unknown',
  )
}
const count = async (ids: string[]) =>
  (await db.query<{ n: number }>(sql`select count(*) as n from orders where id = any(${ids}::uuid[])`))[0]?.n
const ofNothing = [{ productId: 'nothing', quantity: 1, discountBasisPoints: 0 }]

describe('accepting orders', () => {
  it('stores each and answers in the order asked', async () => {
    const commands = [aCommand(), aCommand(), aCommand({ idempotencyKey: '' })]
    expect(await words(accept(db, commands))).toEqual(commands.map(({ orderId }) => `new ${orderId}`))
    expect(await count(commands.map(({ orderId }) => orderId))).toBe(3)
  })

  it('answers nothing when they could not be written', async () => {
    const broken = { ...db, query: () => Promise.reject(new Error('the disk is full')) }
    await expect(accept(broken, [aCommand()])).rejects.toThrow('the disk is full')
  })

  it('gives the same key the order that exists, also under another order id', async () => {
    const first = aCommand()
    await accept(db, [first])
    const repeat = { ...first, orderId: newId() }
    expect(await words(accept(db, [repeat]))).toEqual([`known ${first.orderId}`])
    expect(await count([repeat.orderId])).toBe(0)
  })

  it('gives the same order id the order that exists, once', async () => {
    const command = aCommand()
    expect(await words(accept(db, [command, command]))).toEqual([`new ${command.orderId}`, `known ${command.orderId}`])
    expect(await words(accept(db, [command]))).toEqual([`known ${command.orderId}`])
  })

  it('refuses the same key with another body and stores nothing', async () => {
    const first = aCommand()
    await accept(db, [first])
    const changed = { ...first, orderId: newId(), fingerprint: fingerprintOf('another body') }
    expect(await words(accept(db, [aCommand(), changed]))).toEqual([expect.stringMatching(/^new/), 'idempotency_key_reused'])
    expect(await count([changed.orderId])).toBe(0)
  })

  it('refuses the other body also when both come in one batch', async () => {
    const first = aCommand()
    const changed = { ...first, orderId: newId(), fingerprint: fingerprintOf('another body') }
    expect(await words(accept(db, [first, changed]))).toEqual([`new ${first.orderId}`, 'idempotency_key_reused'])
  })

  it('makes one order of one key that comes over two connections at once, every time', async () => {
    for (let round = 0; round < 30; round++) {
      const command = aCommand()
      const twin = { ...command, orderId: newId() }
      const [one, two] = await Promise.all([words(accept(db, [command])), words(accept(other, [twin]))])
      const winner = one[0]?.startsWith('new') ? command.orderId : twin.orderId
      expect([...one, ...two].sort()).toEqual([`known ${winner}`, `new ${winner}`])
      expect(await count([command.orderId, twin.orderId])).toBe(1)
    }
  })

  it('makes one order of each key when whole batches come twice at once, in opposite order', async () => {
    for (let round = 0; round < 10; round++) {
      const commands = Array.from({ length: 20 }, () => aCommand())
      const twins = commands.map((command) => ({ ...command, orderId: newId() })).reverse()
      const [one, two] = await Promise.all([words(accept(db, commands)), words(accept(other, twins))])
      expect(one.map((word) => word.split(' ')[1])).toEqual([...two].reverse().map((word) => word.split(' ')[1]))
      expect(await count([...commands, ...twins].map(({ orderId }) => orderId))).toBe(20)
    }
  })

  it('refuses an unknown product, stores nothing of that order, and takes its neighbours', async () => {
    const bad = aCommand({ items: [...aCommand().items, ...ofNothing] })
    const [one, two] = [aCommand(), aCommand()]
    expect(await words(accept(db, [one, bad, two]))).toEqual([`new ${one.orderId}`, 'unknown_product', `new ${two.orderId}`])
    expect(await count([bad.orderId])).toBe(0)
  })

  it('lets a key that was refused for an unknown product be used again with a mended body', async () => {
    const bad = aCommand({ items: ofNothing })
    await accept(db, [bad])
    const mended = { ...aCommand(), idempotencyKey: bad.idempotencyKey, fingerprint: fingerprintOf('mended') }
    expect(await words(accept(db, [mended]))).toEqual([`new ${mended.orderId}`])
  })

  it('takes orders while nobody can say which products exist', async () => {
    const down = productCheck(async () => Promise.reject(new Error('inventory is down')))
    const command = aCommand({ items: ofNothing })
    expect(await words(accept(db, [command], down))).toEqual([`new ${command.orderId}`])
  })
})

describe('the check of products', () => {
  it('asks about each product once, and asks again about one that did not exist', async () => {
    const asked: string[][] = []
    const check = productCheck(async (ids) => {
      asked.push(ids)
      return new Set(ids.filter((id) => id !== 'nothing'))
    })
    const orderOf = (...ids: string[]) => aCommand({ items: ids.map((productId) => ({ productId, quantity: 1, discountBasisPoints: 0 })) })
    const bad = orderOf('a1', 'nothing')
    expect(await check.unknownIn([bad, orderOf('a1')])).toEqual(new Map([[bad.orderId, 'nothing']]))
    expect(await check.unknownIn([orderOf('a1')])).toEqual(new Map())
    await check.unknownIn([orderOf('a1', 'nothing', 'b2')])
    expect(asked).toEqual([
      ['a1', 'nothing'],
      ['nothing', 'b2'],
    ])
  })
})
