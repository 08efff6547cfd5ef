import { describe, expect, it } from 'vitest'
import { FRESH_MS, keyMemory } from '../../src/gateway/access/key-memory.ts'
import { ApiKey } from '../../src/gen/comanda/v1/access.ts'
import { type Credential, makeKey } from '../../src/platform/api-key.ts'
import { type Answer, done, refused } from '../../src/platform/outcome.ts'

/** How long a key works after orders has said yes, with and without orders. */

const STALE_MS = 60_000
const REVOKED = refused('key_invalid', 'this key was revoked')

function memory() {
  let now = 0
  const asked: string[] = []
  let verify: (credential: Credential) => Promise<Answer<ApiKey>> = async ({ keyId }) => done(keyOf(keyId))
  const keys = keyMemory({
    verify: (credential) => {
      asked.push(credential.keyId)
      return verify(credential)
    },
    staleMs: STALE_MS,
    now: () => now,
    wallClock: () => now,
  })
  return {
    asked,
    check: async (credential: Credential) => keys.check(credential),
    /** Later, orders answers so. */
    answers: (next: typeof verify) => {
      verify = next
    },
    pass: (ms: number) => {
      now += ms
    },
  }
}
const keyOf = (id: string, more: Partial<ApiKey> = {}) => ApiKey.fromPartial({ id, scopes: ['ops'], ...more })
const isDown = async () => {
  throw new Error('orders is down')
}

describe('a key that orders has verified', () => {
  it('is not asked about again for some seconds, then it is', async () => {
    const { check, asked, pass } = memory()
    const key = makeKey()
    for (const ms of [0, FRESH_MS - 1]) {
      pass(ms)
      expect((await check(key)).kind).toBe('done')
    }
    expect(asked.length).toBe(1)
    pass(1)
    await check(key)
    expect(asked.length).toBe(2)
  })

  it('and was revoked since works no longer than those seconds', async () => {
    const { check, answers, pass } = memory()
    const key = makeKey()
    await check(key)
    answers(async () => REVOKED)
    pass(FRESH_MS)
    expect(await check(key)).toEqual(REVOKED)
  })

  it('goes on working while orders is down, and no longer than its time', async () => {
    const { check, answers, pass, asked } = memory()
    const key = makeKey()
    await check(key)
    answers(isDown)
    for (let ms = 0; ms <= STALE_MS - FRESH_MS; ms += FRESH_MS) {
      pass(FRESH_MS)
      expect((await check(key)).kind).toBe('done')
    }
    expect(asked.length).toBeGreaterThan(5)
    pass(FRESH_MS)
    await expect(check(key)).rejects.toThrow('orders is down')
  })

  it('and was revoked while orders was down is refused when it is back, and stays so when it goes again', async () => {
    const { check, answers, pass } = memory()
    const key = makeKey()
    await check(key)
    answers(isDown)
    pass(FRESH_MS)
    await check(key)
    answers(async () => REVOKED)
    pass(FRESH_MS)
    expect(await check(key)).toEqual(REVOKED)
    answers(isDown)
    pass(FRESH_MS)
    await expect(check(key)).rejects.toThrow('orders is down')
  })

  it('troubles an orders that is down once a second, however often it is used', async () => {
    const { check, answers, pass, asked } = memory()
    const key = makeKey()
    await check(key)
    answers(isDown)
    pass(FRESH_MS)
    for (let i = 0; i < 100; i++) await check(key)
    expect(asked.length).toBe(2)
  })

  it('expires to the moment, also between two questions', async () => {
    const { check, answers, pass } = memory()
    const key = makeKey()
    answers(async ({ keyId }) => done(keyOf(keyId, { expiresAt: new Date(1_000) })))
    expect((await check(key)).kind).toBe('done')
    pass(1_000)
    expect(await check(key)).toMatchObject({ kind: 'refused', code: 'key_expired' })
  })

  it('does not open the door to another secret under its id, not even while orders is down', async () => {
    const { check, answers, pass } = memory()
    const key = makeKey()
    const forged = { keyId: key.keyId, hash: makeKey().hash }
    await check(key)
    answers(isDown)
    expect(await check(forged)).toMatchObject({ kind: 'refused', code: 'key_invalid' })
    pass(FRESH_MS)
    expect(await check(forged)).toMatchObject({ kind: 'refused', code: 'key_invalid' })
  })

  it('does not open the door to another secret whose question was under way when it was verified', async () => {
    const { check, answers } = memory()
    const key = makeKey()
    const lost = Promise.withResolvers<Answer<ApiKey>>()
    answers(() => lost.promise)
    const forged = check({ keyId: key.keyId, hash: makeKey().hash })
    answers(async ({ keyId }) => done(keyOf(keyId)))
    expect((await check(key)).kind).toBe('done')
    lost.reject(new Error('no answer in time'))
    await expect(forged).rejects.toThrow('no answer in time')
  })
})

describe('a key that orders has not verified', () => {
  it('does not work while orders is down', async () => {
    const { check, answers } = memory()
    answers(isDown)
    await expect(check(makeKey())).rejects.toThrow('orders is down')
  })

  it('is asked about once, however many requests come with it at once', async () => {
    const { check, asked } = memory()
    const key = makeKey()
    await Promise.all(Array.from({ length: 50 }, () => check(key)))
    expect(asked.length).toBe(1)
  })

  it('and is refused is not asked about again for some seconds', async () => {
    const { check, answers, pass, asked } = memory()
    const key = makeKey()
    answers(async () => REVOKED)
    for (let i = 0; i < 10; i++) expect(await check(key)).toEqual(REVOKED)
    expect(asked.length).toBe(1)
    pass(FRESH_MS)
    await check(key)
    expect(asked.length).toBe(2)
  })
})
