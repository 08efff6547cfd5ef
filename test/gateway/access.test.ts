import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App } from '../../src/gateway/dependencies.ts'
import { makeKey, SCOPES } from '../../src/platform/api-key.ts'
import { BODY, gatewayWith, ID } from './fakes.ts'
import { keyRing, memoryLog } from './keys.ts'

/** The gateway's door: which key opens which route. */

type Route = { method: 'GET' | 'POST' | 'DELETE'; url: string; scope: string | undefined }

let app: App
let routes: Route[]
const ring = keyRing()
const { log, lines, entries } = memoryLog()

beforeAll(async () => {
  app = await gatewayWith({ health: async () => ({ orders: 'ready' }) }, { access: ring.access(), log })
  routes = await routesOf(app)
})
afterAll(() => app.close())

/** All that is served, with the scope that the document tells. */
async function routesOf(gateway: App): Promise<Route[]> {
  await gateway.ready()
  const { paths } = gateway.swagger() as unknown as { paths: Record<string, Record<string, { security: Record<string, string[]>[] }>> }
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, { security }]) => ({
      method: method.toUpperCase() as Route['method'],
      url: path.replace(/\{\w+\}/g, 'x'),
      scope: security[0]?.bearer?.[0],
    })),
  )
}

const codeOf = async (route: Omit<Route, 'scope'>, headers = {}) => {
  const reply = await app.inject({ ...route, headers })
  return [reply.statusCode, reply.headers['content-type']?.toString().includes('json') ? reply.json().code : undefined]
}

describe('each route', () => {
  it('has one scope; only health and the meaning of errors are open', () => {
    expect(routes.length).toBeGreaterThan(30)
    expect(routes.filter(({ scope }) => scope === undefined).map(({ url }) => url)).toEqual(
      ['/healthz', '/readyz', '/errors/x'].toSorted(byRoute),
    )
    expect([...new Set(routes.flatMap(({ scope }) => scope ?? []))].toSorted()).toEqual(Object.keys(SCOPES).toSorted())
  })

  it('is closed without a key, and with one that has all scopes but the one it needs', async () => {
    for (const { scope, ...route } of routes) {
      if (scope === undefined) {
        expect((await codeOf(route))[0], route.url).not.toBe(401)
        continue
      }
      expect(await codeOf(route), `${route.method} ${route.url}`).toEqual([401, 'key_missing'])
      const others = ring.key(Object.keys(SCOPES).filter((other) => other !== scope))
      expect(await codeOf(route, others), `${route.method} ${route.url}`).toEqual([403, 'scope_missing'])
      const [status] = await codeOf(route, ring.key([scope]))
      expect([401, 403], `${route.method} ${route.url}`).not.toContain(status)
    }
  })

  it('without a scope stops the start', async () => {
    const other = await gatewayWith({})
    expect(() => other.get('/secrets', async () => 'all of them')).toThrow('the route /secrets does not say which scope it needs')
    await other.close()
  })

  it('is as closed to HEAD as to GET', async () => {
    const reply = await app.inject({ method: 'HEAD', url: '/orders' })
    expect(reply.statusCode).toBe(401)
  })
})

const byRoute = (a: string, b: string) => routes.findIndex(({ url }) => url === a) - routes.findIndex(({ url }) => url === b)

describe('a key', () => {
  const url = '/orders'
  it('is taken as Authorization: Bearer or as X-Api-Key', async () => {
    const { authorization } = ring.key(['stock:read'])
    for (const headers of [
      { authorization },
      { authorization: authorization.replace('Bearer', 'bearer') },
      { 'x-api-key': authorization.slice(7) },
    ])
      expect(await codeOf({ method: 'GET', url }, headers)).toEqual([403, 'scope_missing'])
  })

  it.each([
    ['no key at all', 'hello'],
    ['one that was never made', makeKey().text],
    ['one cut short', makeKey().text.slice(0, -1)],
    ['an empty one', 'cmd__'],
  ])('that is %s is refused', async (_what, key) => {
    const reply = await app.inject({ url, headers: { authorization: `Bearer ${key}` } })
    expect([reply.statusCode, reply.json().code, reply.headers['www-authenticate']]).toEqual([401, 'key_invalid', 'Bearer realm="comanda"'])
    expect(reply.body).not.toContain(key)
  })

  it('with another secret under its id is refused', async () => {
    const { authorization } = ring.key(['orders:read'])
    await codeOf({ method: 'GET', url }, { authorization })
    const forged = authorization.slice(0, 28) + makeKey().text.slice(21)
    expect(await codeOf({ method: 'GET', url }, { authorization: forged })).toEqual([401, 'key_invalid'])
  })

  it('that has expired is told so', async () => {
    const expired = ring.key(['orders:read'], { expiresAt: new Date(Date.now() - 1) })
    expect(await codeOf({ method: 'GET', url }, expired)).toEqual([401, 'key_expired'])
  })

  it('of another scheme is no key', async () => {
    expect(await codeOf({ method: 'GET', url }, { authorization: 'Basic dTpw' })).toEqual([401, 'key_missing'])
  })

  it('never stands in the log; that it was refused, by whom and for what, does', async () => {
    const { authorization } = ring.key(['stock:read'])
    const unknown = makeKey()
    lines.length = 0
    await app.inject({ url: '/orders', headers: { authorization, 'x-request-id': 'r-1' } })
    await app.inject({ url: '/orders', headers: { 'x-api-key': unknown.text, 'x-request-id': 'r-2' } })
    await app.inject({ url: `/orders?key=${unknown.text}`, headers: { 'x-request-id': 'r-3' } })
    expect(entries('access denied')).toMatchObject([
      {
        request_id: 'r-1',
        code: 'scope_missing',
        scope: 'orders:read',
        method: 'GET',
        path: '/orders',
        key_id: authorization.slice(11, 27),
      },
      { request_id: 'r-2', code: 'key_invalid', key_id: unknown.keyId },
      { request_id: 'r-3', code: 'key_missing' },
    ])
    for (const secret of [authorization.slice(28), unknown.text.slice(21)]) expect(lines.join('')).not.toContain(secret)
  })
})

it.each([
  { status: 'confirmed' },
  { total_minor: 1 },
  { items: [{ product_id: 'a1', quantity: 1, unit_price_minor: 1 }] },
  { id: ID },
  { scopes: ['ops'] },
])('an order with a field of its own making is refused: %j', async (more) => {
  const reply = await app.inject({ method: 'POST', url: '/orders', headers: ring.key(), payload: { ...BODY, ...more } })
  expect([reply.statusCode, reply.json().code]).toEqual([400, 'invalid_request'])
})

it('what is not there is 404 with and without a key', async () => {
  expect(await codeOf({ method: 'GET', url: '/nowhere' })).toEqual([404, 'not_found'])
  expect(await codeOf({ method: 'DELETE', url: '/orders' })).toEqual([405, 'method_not_allowed'])
})

describe('the description of the API', () => {
  it('needs a key, any key, where others can reach it', async () => {
    expect(await codeOf({ method: 'GET', url: '/openapi.json' })).toEqual([401, 'key_missing'])
    expect((await codeOf({ method: 'GET', url: '/docs' }))[0]).toBe(401)
    expect((await codeOf({ method: 'GET', url: '/openapi.json' }, ring.key(['stock:read'])))[0]).toBe(200)
  })

  it('is open on this machine, and shows how a key is sent', async () => {
    const local = await gatewayWith({}, { access: ring.access({ docsAreOpen: true }) })
    const { components, paths } = (await local.inject('/openapi.json')).json()
    expect(components.securitySchemes).toMatchObject({
      bearer: { type: 'http', scheme: 'bearer' },
      header: { in: 'header', name: 'X-Api-Key' },
    })
    expect(paths['/orders'].post.security).toEqual([{ bearer: ['orders:write'] }, { header: ['orders:write'] }])
    expect(Object.keys(paths['/orders'].post.responses)).toEqual(expect.arrayContaining(['401', '403', '429']))
    expect((await local.inject('/docs')).statusCode).toBe(200)
    await local.close()
  })

  it('says that no key is needed where none is', async () => {
    const open = await gatewayWith({})
    expect((await open.inject('/openapi.json')).json().paths['/orders'].post.security).toContainEqual({})
    await open.close()
  })
})
