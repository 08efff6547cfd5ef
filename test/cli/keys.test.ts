import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { SCOPES } from '../../src/platform/api-key.ts'
import { sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { comanda, fakeGateway, orderJson, problem } from './fake-gateway.ts'

/** comanda keys, on a database; and that every command sends the key it was given. */

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase('orders')
})
afterAll(() => database.drop())
afterEach(() => vi.unstubAllEnvs())

const keys = (...args: string[]) => {
  vi.stubEnv('ORDERS_DATABASE_URL', database.url)
  return comanda('keys', ...args)
}
const create = (...args: string[]) => keys('create', '--name', 'shop', ...args)

describe('comanda keys create', () => {
  it('prints the key alone, and what it may do beside it', async () => {
    const { code, out, err } = await create('--scopes', 'orders:read, ops', '--expires', '90d')
    expect([code, out]).toEqual([0, expect.stringMatching(/^cmd_[0-9a-f]{16}_[\w-]{43}\n$/)])
    expect(err).toMatch(/^Key [0-9a-f]{16} \(shop\) may orders:read, ops, until \d{4}-.* UTC\. It is shown only this once\.\n$/)
    expect(err).not.toContain(out.trim())
  })

  it('prints JSON for machines, with all scopes for "all"', async () => {
    const { out } = await create('--scopes', 'all', '--json')
    expect(JSON.parse(out)).toMatchObject({ name: 'shop', scopes: Object.keys(SCOPES), user_id: null, key: expect.stringMatching(/^cmd_/) })
  })

  it.each([
    ['a scope that there is not', ['--scopes', 'orders:read,root'], /There is no scope "root"/],
    ['no scopes', [], /required option '--scopes/],
    ['a time that is none', ['--scopes', 'ops', '--expires', 'soon'], /must be a time such as/],
    ['a user and a scope over all', ['--scopes', 'ops', '--user', 'u1'], /a key bound to a user can not have ops/],
    ['a user that can be none', ['--scopes', 'orders:read', '--user', 'a b'], /can not be the id of a user/],
  ])('refuses %s as wrong usage, and stores nothing', async (_what, args, says) => {
    await database.db.query(sql`truncate api_keys`)
    const { code, out, err } = await create(...args)
    expect([code, out, err]).toEqual([2, '', expect.stringMatching(says)])
    expect(await database.db.query(sql`select 1 from api_keys`)).toEqual([])
  })

  it('says in one line that it reached nobody', async () => {
    vi.stubEnv('ORDERS_ADDRESS', '127.0.0.1:1')
    const { code, err } = await comanda('keys', 'create', '--name', 'x', '--scopes', 'ops')
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/^comanda: the keys can't be reached .*ORDERS_ADDRESS or ORDERS_DATABASE_URL\n$/),
    ])
  })

  it('says what to do about a database without tables', async () => {
    const bare = await testDatabase('broker')
    vi.stubEnv('ORDERS_DATABASE_URL', bare.url)
    const { code, err } = await comanda('keys', 'list')
    expect([code, err]).toEqual([1, expect.stringMatching(/has no tables for keys yet.*comanda migrate orders/)])
    await bare.drop()
  })
})

describe('comanda keys list and revoke', () => {
  it('shows what is good, what has ended only when asked, and never a secret', async () => {
    await database.db.query(sql`truncate api_keys`)
    expect((await keys('list')).out).toBe('there are no keys\n')
    const secret = (await create('--scopes', 'orders:read', '--user', 'u1')).out.trim()
    const gone = (await create('--scopes', 'ops')).out.trim()
    expect((await keys('revoke', gone.slice(4, 20), 'ffffffffffffffff')).code).toBe(1)
    const { out } = await keys('list')
    expect(out).toContain(secret.slice(4, 20))
    expect(out).toContain('u1')
    expect(out).not.toContain(gone.slice(4, 20))
    const all = (await keys('list', '--all')).out
    expect(all).toContain('revoked')
    for (const key of [secret, gone]) expect(all).not.toContain(key.slice(21))
  })

  it('takes a whole key for its id, and tells no more than that', async () => {
    const key = (await create('--scopes', 'ops')).out.trim()
    const { code, out, err } = await keys('revoke', key)
    expect([code, out]).toEqual([0, `${key.slice(4, 20)} (shop) is revoked\n`])
    expect(err).not.toContain(key.slice(21))
  })
})

it.each([
  ['order', ['order', 'place', 'a1=1', '--user', 'u1']],
  ['products', ['products']],
  ['queue', ['queue', 'dead']],
  ['fault', ['fault', 'list']],
])('comanda %s sends the key of COMANDA_API_KEY', async (_what, args) => {
  const seen: (string | undefined)[] = []
  const gateway = await fakeGateway(({ authorization, body }) => {
    seen.push(authorization)
    return {
      status: 200,
      body: { ...orderJson({ items: [], ...body }), products: [], dead_letters: [], faults: [], unreachable: [], next: null },
    }
  })
  await comanda(...args, '--url', gateway.url)
  vi.stubEnv('COMANDA_API_KEY', 'cmd_key ')
  await comanda(...args, '--url', gateway.url)
  expect([...new Set(seen)]).toEqual([undefined, 'Bearer cmd_key'])
  await gateway.close()
})

it.each([
  ['no key, where one is needed', undefined, { level: 'warn', says: 'it is key_missing' }],
  ['a wrong key', 'wrong', { level: 'warn', says: 'it is key_invalid' }],
  ['a good key', 'good', { level: 'ok', says: 'the key in COMANDA_API_KEY is taken' }],
])('comanda doctor tells of %s', async (_what, key, finding) => {
  const gateway = await fakeGateway(({ path, authorization }) => {
    if (!path.startsWith('/orders/')) return { status: 200, body: { services: {} } }
    if (authorization === 'Bearer good') return problem(404, 'unknown_order')
    return problem(401, authorization ? 'key_invalid' : 'key_missing')
  })
  vi.stubEnv('COMANDA_API_KEY', key)
  const { out } = await comanda('doctor', '--json', '--url', gateway.url)
  expect(JSON.parse(out)).toContainEqual(expect.objectContaining({ name: 'access', ...finding }))
  await gateway.close()
})
