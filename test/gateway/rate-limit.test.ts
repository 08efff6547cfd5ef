import { describe, expect, it } from 'vitest'
import { rateLimit } from '../../src/gateway/access/rate-limit.ts'
import { done } from '../../src/platform/outcome.ts'
import { BODY, gatewayWith, orderOf } from './fakes.ts'
import { keyRing, memoryLog } from './keys.ts'

/** So many requests a second for each key, or for each address. */

describe('a bucket', () => {
  it('holds ten seconds of requests, fills with time, and says when there is one again', () => {
    let now = 0
    const limit = rateLimit({ perSecond: 2, now: () => now })
    const taken = () => Array.from({ length: 100 }, () => limit.take('a')).filter((seconds) => seconds === 0).length
    expect(taken()).toBe(20)
    expect(limit.take('a')).toBe(1)
    expect(limit.take('b')).toBe(0)
    now += 1_000
    expect(taken()).toBe(2)
    now += 3_600_000
    expect(taken()).toBe(20)
  })

  it('of somebody who comes back is not full because many others came between', () => {
    const limit = rateLimit({ perSecond: 1, now: () => 0 })
    for (let i = 0; i < 10; i++) limit.take('a')
    for (let i = 0; i < 15_000; i++) limit.take(`other ${i}`)
    expect(limit.take('a')).toBe(1)
  })

  it('of an attacker with endless addresses takes no endless memory: who has not come for long is forgotten', () => {
    const limit = rateLimit({ perSecond: 1, now: () => 0 })
    for (let i = 0; i < 10; i++) limit.take('a')
    expect(limit.take('a')).toBe(1)
    for (let i = 0; i < 50_000; i++) limit.take(`address ${i}`)
    expect(limit.take('a')).toBe(0)
  })
})

const slow = () => rateLimit({ perSecond: 1, now: () => 0 })
const clients = { listProducts: async () => ({ products: [], next: '' }) }

describe('beyond the limit', () => {
  it('a request is 429 with Retry-After, for this key only', async () => {
    const ring = keyRing()
    const { log, entries } = memoryLog()
    const app = await gatewayWith(clients, { access: ring.access({ limit: slow() }), log })
    const [mine, other] = [ring.key(), ring.key()]
    for (let i = 0; i < 10; i++) expect((await app.inject({ url: '/products', headers: mine })).statusCode).toBe(200)
    const reply = await app.inject({ url: '/products', headers: mine })
    expect([reply.statusCode, reply.json().code, reply.headers['retry-after']]).toEqual([429, 'rate_limited', '1'])
    expect(entries('rate limited')).toMatchObject([{ key_id: mine.authorization.slice(11, 27), path: '/products' }])
    expect((await app.inject({ url: '/products', headers: other })).statusCode).toBe(200)
    await app.close()
  })

  it('without keys the address counts, and no header makes another address of it', async () => {
    const app = await gatewayWith(clients, { access: { docsAreOpen: true, limit: slow() } })
    const statuses: number[] = []
    for (let i = 0; i < 12; i++) {
      const headers = { 'x-forwarded-for': `10.0.0.${i}`, forwarded: `for=10.0.0.${i}`, 'x-real-ip': `10.0.0.${i}` }
      statuses.push((await app.inject({ url: '/products', headers })).statusCode)
    }
    expect(statuses).toEqual([...Array.from({ length: 10 }, () => 200), 429, 429])
    expect((await app.inject({ url: '/products', remoteAddress: '10.9.9.9' })).statusCode).toBe(200)
    expect((await app.inject('/healthz')).statusCode).toBe(200)
    await app.close()
  })

  it('each order in bulk counts', async () => {
    const place = async (command: Parameters<typeof orderOf>[0]) => {
      const order = orderOf(command, { status: 'confirmed' })
      return { accepted: done(order), ended: Promise.resolve(order) }
    }
    const app = await gatewayWith({ placeOrder: place }, { access: { docsAreOpen: true, limit: slow() } })
    const payload = `${JSON.stringify(BODY)}\n`.repeat(12)
    const reply = await app.inject({ method: 'POST', url: '/orders/bulk', payload, headers: { 'content-type': 'application/x-ndjson' } })
    const answers = reply.body.split('\n').filter(Boolean)
    const statuses = answers.map((line) => (JSON.parse(line) as { status: number }).status)
    // The request itself is one of the ten.
    expect(statuses.toSorted()).toEqual([...Array.from({ length: 9 }, () => 201), 429, 429, 429])
    await app.close()
  })
})
