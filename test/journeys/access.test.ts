import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { embeddedUrls } from '../../src/platform/embedded-postgres.ts'
import { freePorts, type System, startSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { order } from './shop.ts'

/** The whole system with ACCESS=keys: keys made at the operator's shell, scopes, bound users, revocation, expiry, and orders down. */

let system: System
const keys: Record<string, string> = {}
const made: string[] = []

beforeAll(async () => {
  system = await startSystem({ ACCESS: 'keys', COMANDA_FAULTS: 'on' })
  keys.all = await create('operator', 'all')
  keys.shop = await create('shop', 'orders:read,orders:write')
  keys.u1 = await create('of u1', 'orders:read,orders:write,stock:read', '--user', 'u1')
  keys.u2 = await create('of u2', 'orders:read,orders:write', '--user', 'u2')
}, 120_000)
afterAll(() => system.stop(), 60_000)

type Run = { code: number | null; out: string; err: string }
function comanda(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  const child = spawn(process.execPath, ['src/cli/main.ts', ...args], {
    env: { ...system.env, COMANDA_URL: system.url, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    said.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    said.err += chunk
  })
  return new Promise((resolve, reject) => child.once('error', reject).once('close', (code) => resolve({ code, ...said })))
}

async function create(name: string, scopes: string, ...more: string[]): Promise<string> {
  const { code, out, err } = await comanda(['keys', 'create', '--name', name, '--scopes', scopes, ...more])
  expect([code, out], err).toEqual([0, expect.stringMatching(/^cmd_[0-9a-f]{16}_[\w-]{43}\n$/)])
  made.push(out.trim())
  return out.trim()
}

const idOf = (key: string | undefined) => (key ?? '').slice(4, 20)

async function call(key: string | undefined, method: string, path: string, body?: unknown) {
  const answer = await fetch(system.url + path, {
    method,
    headers: { ...(key && { authorization: `Bearer ${key}` }), ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, body: (text ? JSON.parse(text) : {}) as Record<string, unknown> & { id: string; code?: string } }
}
const answered = async (...args: Parameters<typeof call>) => {
  const { status, body } = await call(...args)
  return body.code ? `${status} ${body.code}` : status
}

describe('with ACCESS=keys', () => {
  it('nothing but health is open, and each key opens what its scopes say', async () => {
    expect(await answered(undefined, 'GET', '/healthz')).toBe(200)
    expect(await answered(undefined, 'GET', '/products')).toBe('401 key_missing')
    expect(await answered(`${keys.shop}x`, 'GET', '/orders')).toBe('401 key_invalid')
    expect(await answered(keys.shop, 'GET', '/orders')).toBe(200)
    expect(await answered(keys.shop, 'GET', '/products')).toBe('403 scope_missing')
    expect(await answered(keys.shop, 'GET', '/queue')).toBe('403 scope_missing')
    expect(await answered(keys.all, 'GET', '/queue')).toBe(200)
  })

  it("a bound key places and sees its user's orders, and no other's", async () => {
    const mine = await call(keys.u1, 'POST', '/orders', order({ a1: 1 }, { user_id: 'u1' }))
    expect(mine.status).toBe(201)
    const { id } = mine.body
    expect(await answered(keys.u1, 'POST', '/orders', order({ a1: 1 }, { user_id: 'u2' }))).toBe('403 bound_key')
    for (const path of [`/orders/${id}`, `/orders/${id}/events`, `/orders/${id}/explain`]) {
      expect(await answered(keys.u1, 'GET', path)).toBe(200)
      expect(await answered(keys.u2, 'GET', path)).toBe('404 unknown_order')
    }
    expect(await answered(keys.u2, 'GET', `/payments/${id}`)).toBe('404 unknown_payment')
    expect(await answered(keys.u2, 'GET', `/shipments/${id}-1`)).toBe('404 unknown_shipment')
    expect(await answered(keys.u2, 'POST', `/orders/${id}/cancel`)).toBe('404 unknown_order')
    expect((await call(keys.u2, 'GET', '/orders')).body).toEqual({ orders: [], next: null })
    expect((await call(keys.u1, 'GET', '/orders')).body.orders).toMatchObject([{ id }])
    expect(await answered(keys.u1, 'POST', `/orders/${id}/cancel`)).toBe(200)
  })

  it('the same Idempotency-Key of two users makes two orders', async () => {
    const place = async (user: 'u1' | 'u2') => {
      const answer = await fetch(`${system.url}/orders`, {
        method: 'POST',
        headers: { authorization: `Bearer ${keys[user]}`, 'content-type': 'application/json', 'idempotency-key': 'first' },
        body: JSON.stringify(order({ a1: 1 }, { user_id: user })),
      })
      return ((await answer.json()) as { id: string }).id
    }
    const [one, again, other] = [await place('u1'), await place('u1'), await place('u2')]
    expect(again).toBe(one)
    expect(other).not.toBe(one)
  })

  it('the command line sends COMANDA_API_KEY, in bulk too, and says what to do without', async () => {
    const env = { COMANDA_API_KEY: keys.all }
    const placed = await comanda(['order', 'place', 'a1=1', '--user', 'u1'], env)
    expect([placed.code, placed.out], placed.err).toEqual([0, expect.stringContaining('confirmed')])
    const refused = await comanda(['order', 'place', 'a1=1', '--user', 'u1'])
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('COMANDA_API_KEY')])
    const file = join(system.env.DATA_DIR ?? '', 'orders.ndjson')
    writeFileSync(file, `${JSON.stringify(order({ a1: 1 }))}\n`.repeat(3))
    const sent = await comanda(['batch', file, '--no-progress'], env)
    expect([sent.code, sent.out], sent.err).toEqual([0, expect.stringMatching(/confirmed.*3/)])
  }, 60_000)

  it('the keys are listed with their last use', async () => {
    const { out } = await until('the use of the key to be noted', async () => {
      const listed = await comanda(['keys', 'list', '--json'])
      const shop = (JSON.parse(listed.out) as { id: string; last_used_at: string | null }[]).find(({ id }) => id === idOf(keys.shop))
      return shop?.last_used_at ? listed : undefined
    })
    for (const key of made) expect(out).not.toContain(key.slice(21))
    const table = (await comanda(['keys', 'list'])).out
    for (const name of ['operator', 'shop', 'of u1', 'orders:write', 'never']) expect(table).toContain(name)
  }, 60_000)
})

describe('a key', () => {
  it('that is revoked stops within seconds', async () => {
    const key = await create('for a while', 'stock:read')
    expect(await answered(key, 'GET', '/products')).toBe(200)
    expect(await comanda(['keys', 'revoke', idOf(key)])).toMatchObject({ code: 0, out: `${idOf(key)} (for a while) is revoked\n` })
    await until('the gateway to notice', async () => (await answered(key, 'GET', '/products')) === '401 key_invalid')
    expect(await comanda(['keys', 'revoke', '0000000000000000'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('there is no key'),
    })
  }, 60_000)

  it('stops when its time is over', async () => {
    const key = await create('short', 'stock:read', '--expires', '4s')
    await until('its end', async () => (await answered(key, 'GET', '/products')) === '401 key_expired')
  }, 60_000)

  it('can be made on the database itself, before anything runs', async () => {
    const urls = await embeddedUrls(system.env.DATA_DIR ?? '')
    const env = { ORDERS_DATABASE_URL: urls?.orders, ORDERS_ADDRESS: '127.0.0.1:1' }
    const { out } = await comanda(['keys', 'create', '--name', 'by hand', '--scopes', 'stock:read'], env)
    expect(await answered(out.trim(), 'GET', '/products')).toBe(200)
    made.push(out.trim())
  }, 60_000)

  it('goes on working while orders is down, a new one does not; and both do when it is back', async () => {
    const fresh = await create('fresh', 'stock:read')
    expect(await answered(keys.all, 'GET', '/products')).toBe(200)
    expect(await answered(keys.all, 'POST', '/faults', { service: 'orders', kind: 'unavailable', for_ms: 3_600_000 })).toBe(201)
    // Long enough that what the gateway remembers as fresh has gone stale.
    const look = () => answered(keys.all, 'GET', '/products')
    const until6s = performance.now() + 6_000
    await until('the memory to be stale', async () => {
      expect(await look()).toBe(200)
      return performance.now() > until6s
    })
    expect(await answered(fresh, 'GET', '/products')).toBe('503 unavailable')
    expect(await answered(keys.all, 'DELETE', '/faults?service=orders')).toBe(200)
    await until('the new key to work', async () => (await answered(fresh, 'GET', '/products')) === 200)
  }, 60_000)
})

it('no key stands in any log', async () => {
  const folder = system.env.LOG_DIR ?? ''
  const read = () => readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))
  await until('the denials to be in the log', () => read().some((text) => text.includes('access denied')))
  expect(made.length).toBeGreaterThan(6)
  for (const text of read()) for (const key of made) expect(text.includes(key.slice(21))).toBe(false)
})

describe('a gateway that others can reach', () => {
  it('refuses to start without keys, and says how to make one', async () => {
    const [GATEWAY_PORT] = (await freePorts(1)).map(String)
    for (const services of [['gateway'], ['all']]) {
      const run = await comanda(['serve', ...services], { GATEWAY_HOST: '0.0.0.0', GATEWAY_PORT, ACCESS: 'open' })
      expect(run).toMatchObject({ code: 1, err: expect.stringMatching(/GATEWAY_HOST is "0\.0\.0\.0".*ACCESS=keys.*comanda keys create/) })
    }
  }, 60_000)
})
