import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accessService } from '../../src/access/service.ts'
import { AccessServiceDefinition, type ApiKey } from '../../src/gen/comanda/v1/access.ts'
import { makeKey } from '../../src/platform/api-key.ts'
import { connectGrpc, type GrpcClient, type GrpcServer, serveGrpc } from '../../src/platform/grpc.ts'
import { silentLog } from '../../src/platform/log.ts'
import { fromWire } from '../../src/platform/outcome.ts'
import { sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'

/** Keys in a real database, over real gRPC. */

let database: TestDatabase
let server: GrpcServer
let access: GrpcClient<AccessServiceDefinition>

beforeAll(async () => {
  database = await testDatabase('orders')
  const service = accessService({ db: database.db, log: silentLog() })
  server = await serveGrpc(AccessServiceDefinition, service, { address: '127.0.0.1:0', log: silentLog() })
  access = connectGrpc(AccessServiceDefinition, `127.0.0.1:${server.port}`, 5_000)
})
afterAll(async () => {
  access.close()
  await server.stop()
  await database.drop()
})

type Wish = { name?: string; scopes?: string[]; userId?: string; expiresAt?: Date; keyId?: string; hash?: Buffer }
async function create(more: Wish = {}) {
  const key = makeKey()
  const wish = { keyId: key.keyId, hash: key.hash, name: 'shop', scopes: ['orders:read'], ...more }
  const { outcomes } = await access.createKeys({ commands: [wish] })
  return { ...key, answer: fromWire<ApiKey>(outcomes[0]) }
}
const verify = async (...credentials: { keyId: string; hash: Uint8Array }[]) =>
  (await access.verifyKeys({ credentials })).outcomes.map((outcome) => fromWire<ApiKey>(outcome))

describe('a key', () => {
  it('is stored as its hash alone, and is good at once', async () => {
    const { text, keyId, hash, answer } = await create({ scopes: ['orders:read', 'ops', 'ops'] })
    expect(answer).toMatchObject({ kind: 'done', value: { id: keyId, name: 'shop', scopes: ['orders:read', 'ops'], userId: '' } })
    const [row] = await database.db.query<{ row: string }>(sql`select k::text as row from api_keys k where id = ${keyId}`)
    expect(row?.row).toContain(hash.toString('hex'))
    expect(row?.row).not.toContain(text.slice(21))
    expect(await verify({ keyId, hash })).toMatchObject([{ kind: 'done', value: { id: keyId } }])
  })

  it('made again is the same one; another under its id is refused', async () => {
    const first = await create()
    const again = await create({ keyId: first.keyId, hash: first.hash, name: 'renamed' })
    expect(again.answer).toMatchObject({ kind: 'done', value: { id: first.keyId, name: 'shop' } })
    const other = await create({ keyId: first.keyId })
    expect(other.answer).toMatchObject({ kind: 'refused', message: expect.stringContaining('another key') })
    expect(await verify(first)).toMatchObject([{ kind: 'done' }])
  })

  it.each<[string, Wish]>([
    ['no scopes', { scopes: [] }],
    ['a scope that there is not', { scopes: ['orders:read', 'root'] }],
    ['a scope named like a property of all objects', { scopes: ['constructor'] }],
    ['no name', { name: '' }],
    ['a name with a line break', { name: 'a\nb' }],
    ['an id that is none', { keyId: 'x' }],
    ['a hash that is none', { hash: Buffer.from('secret') }],
    ['a user that can be none', { userId: 'a b' }],
    ['a user and a scope over all orders', { userId: 'u1', scopes: ['orders:read', 'ops'] }],
    ['a user and the warehouse', { userId: 'u1', scopes: ['shipments:write'] }],
  ])('with %s is refused', async (_what, wish) => {
    expect((await create(wish)).answer).toMatchObject({ kind: 'refused', code: 'invalid_request' })
  })

  it('bound to a user can have no scope over all orders, whatever the program does', async () => {
    const insert = database.db.query(sql`
      insert into api_keys (id, hash, name, scopes, user_id)
      values ('00000000000000ff', decode(repeat('00', 32), 'hex'), 'x', '{ops}', 'u1')`)
    await expect(insert).rejects.toThrow('check constraint')
  })

  it('that is unknown, or has another secret, is refused without saying which', async () => {
    const { keyId } = await create()
    const [unknown, forged] = await verify(makeKey(), { keyId, hash: makeKey().hash })
    expect(unknown).toEqual({ kind: 'refused', code: 'key_invalid', message: 'there is no such key' })
    expect(forged).toEqual(unknown)
    expect(await verify({ keyId, hash: new Uint8Array() })).toEqual([unknown])
  })

  it('is refused from its revocation on, and keeps the time of the first', async () => {
    const key = await create()
    const revoke = async () => fromWire<ApiKey>((await access.revokeKeys({ keyIds: [key.keyId] })).outcomes[0])
    const first = await revoke()
    expect(first).toMatchObject({ kind: 'done', value: { revokedAt: expect.any(Date) } })
    expect(await revoke()).toEqual(first)
    expect(await verify(key)).toMatchObject([{ kind: 'refused', code: 'key_invalid', message: 'this key was revoked' }])
  })

  it('is refused from its expiry on', async () => {
    const [past, future] = [
      await create({ expiresAt: new Date(Date.now() - 1_000) }),
      await create({ expiresAt: new Date(Date.now() + 60_000) }),
    ]
    expect(await verify(past, future)).toMatchObject([{ kind: 'refused', code: 'key_expired' }, { kind: 'done' }])
  })

  it('to be revoked that does not exist is named', async () => {
    const { outcomes } = await access.revokeKeys({ keyIds: ['0000000000000000'] })
    expect(fromWire(outcomes[0])).toMatchObject({ kind: 'refused', message: 'there is no key 0000000000000000' })
  })
})

it('the use of a key is noted, at most once a minute', async () => {
  const key = await create()
  const read = async () => {
    const [row] = await database.db.query<{ at: Date | null; version: string }>(
      sql`select last_used_at as at, xmin::text as version from api_keys where id = ${key.keyId}`,
    )
    return row
  }
  await verify(key, key)
  const used = await until('the use to be noted', async () => {
    const row = await read()
    return row?.at && row
  })
  for (let i = 0; i < 5; i++) await verify(key)
  // What is refused is no use.
  await verify({ keyId: key.keyId, hash: makeKey().hash })
  expect(await read()).toEqual(used)
  await database.db.query(sql`update api_keys set last_used_at = now() - interval '2 minutes' where id = ${key.keyId}`)
  await verify(key)
  await until('the next use to be noted', async () => ((await read())?.at ?? 0) >= (used?.at ?? 0))
})

it('keys are listed page by page, the newest first; those that have ended only when asked for', async () => {
  await database.db.query(sql`truncate api_keys`)
  const made = [await create({ name: 'one' }), await create({ name: 'two' }), await create({ name: 'gone', expiresAt: new Date(0) })]
  await access.revokeKeys({ keyIds: [made[1]?.keyId ?? ''] })
  const names: string[] = []
  for (let before = ''; ; ) {
    const [page] = (await access.listKeys({ queries: [{ before, limit: 2, all: true }] })).pages
    names.push(...(page?.keys ?? []).map(({ name }) => name))
    if (!page?.next) break
    before = page.next
  }
  expect(names).toEqual(['gone', 'two', 'one'])
  const [live] = (await access.listKeys({ queries: [{ limit: 200 }] })).pages
  expect(live?.keys.map(({ name }) => name)).toEqual(['one'])
  expect(JSON.stringify(live)).not.toContain('hash')
})
