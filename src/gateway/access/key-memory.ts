import { timingSafeEqual } from 'node:crypto'
import type { ApiKey } from '../../gen/comanda/v1/access.ts'
import { type Credential, isScope } from '../../platform/api-key.ts'
import { type Answer, done, refused } from '../../platform/outcome.ts'
import type { Caller } from './caller.ts'

/**
 * Keys that orders has verified, kept for some seconds: a revoked key works at most `FRESH_MS` longer. While orders can't be asked, keys that were verified
 * before go on working, until `staleMs` after their last verification; then, and for keys not seen before, nobody is let in.
 */
export type KeyMemory = {
  /** Answers at once when it can; else asks. Rejects when it can't be found out. */
  check(credential: Credential): Answer<Caller> | Promise<Answer<Caller>>
}

type Entry = { hash: Buffer; caller: Caller; expiresAt: number; verifiedAt: number; askAgainAt: number }
type Options = {
  verify: (credential: Credential) => Promise<Answer<ApiKey>>
  staleMs: number
  /** Steady ms, for ages. */
  now?: () => number
  /** ms since 1970, for expiry. */
  wallClock?: () => number
}

export const FRESH_MS = 5_000
/** An orders that can't be reached is asked about a key once in so long. */
const ASK_AGAIN_MS = 1_000
const MOST_KEYS = 10_000

export function keyMemory({ verify, staleMs, now = () => performance.now(), wallClock = Date.now }: Options): KeyMemory {
  const known = new Map<string, Entry>()
  /** Refusals, by hash: who tries again and again troubles orders once. */
  const refusals = new Map<string, { answer: Answer<Caller>; until: number }>()
  const asking = new Map<string, Promise<Answer<Caller>>>()

  return {
    check(credential) {
      const entry = known.get(credential.keyId)
      // The hash of a key never changes.
      if (entry && !isSame(entry, credential)) return refused('key_invalid', 'there is no such key')
      if (entry && now() < entry.askAgainAt) return answerOf(entry)
      const name = credential.hash.toString('base64')
      const refusal = refusals.get(name)
      if (refusal && now() < refusal.until) return refusal.answer
      let answer = asking.get(name)
      if (!answer) {
        answer = ask(credential, name).finally(() => asking.delete(name))
        asking.set(name, answer)
      }
      return answer
    },
  }

  async function ask(credential: Credential, name: string): Promise<Answer<Caller>> {
    const askedAt = now()
    let answer: Answer<ApiKey>
    try {
      answer = await verify(credential)
      if (answer.kind === 'unknown') throw new Error(answer.message)
    } catch (error) {
      const entry = known.get(credential.keyId)
      // Another key under this id may have been verified meanwhile.
      if (!entry || !isSame(entry, credential) || now() - entry.verifiedAt > staleMs) throw error
      entry.askAgainAt = now() + ASK_AGAIN_MS
      return answerOf(entry)
    }
    if (answer.kind === 'done') return remember(credential, answer.value, askedAt)
    const entry = known.get(credential.keyId)
    if (entry && isSame(entry, credential)) known.delete(credential.keyId)
    if (refusals.size >= MOST_KEYS) refusals.clear()
    refusals.set(name, { answer, until: now() + FRESH_MS })
    return answer
  }

  function remember({ keyId, hash }: Credential, { scopes, userId, expiresAt }: ApiKey, askedAt: number): Answer<Caller> {
    const caller: Caller = { keyId, scopes: new Set(scopes.filter(isScope)), userId: userId || undefined }
    const entry = { hash, caller, expiresAt: expiresAt?.getTime() ?? Infinity, verifiedAt: askedAt, askAgainAt: askedAt + FRESH_MS }
    known.delete(keyId)
    const [oldest] = known.keys()
    if (known.size >= MOST_KEYS && oldest !== undefined) known.delete(oldest)
    known.set(keyId, entry)
    return answerOf(entry)
  }

  function answerOf({ caller, expiresAt }: Entry): Answer<Caller> {
    if (wallClock() < expiresAt) return done(caller)
    return refused('key_expired', `this key expired at ${new Date(expiresAt).toISOString()}`)
  }
}

const isSame = ({ hash }: Entry, credential: Credential): boolean => timingSafeEqual(hash, credential.hash)
