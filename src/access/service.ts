import { timingSafeEqual } from 'node:crypto'
import type { ServiceImplementation } from 'nice-grpc'
import type { AccessServiceDefinition, ApiKey, CreateKeyCommand } from '../gen/comanda/v1/access.ts'
import { BOUND_SCOPES, isKeyId, isScope, SCOPES } from '../platform/api-key.ts'
import { isName } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import { type Answer, done, refused, toWire } from '../platform/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import * as store from './store.ts'

const MAX_PAGE = 200
const USED_AGAIN_MS = 60_000

/** The gateway's keys: made and revoked by `comanda keys`, verified for the gateway. SQL in store.ts. */
export function accessService({ db, log }: { db: Database; log: Log }): ServiceImplementation<AccessServiceDefinition> {
  return {
    async createKeys({ commands }) {
      const problems = commands.map(problemWith)
      const good = commands.filter((_, i) => problems[i] === undefined)
      await store.insertKeys(db, good.map(newKey))
      const stored = await store.getKeys(
        db,
        good.map(({ keyId }) => keyId),
      )
      const answers = commands.map((command, i): Answer<store.ApiKeyRow> => {
        const key = stored.get(command.keyId)
        if (problems[i] !== undefined || !key) return refused('invalid_request', problems[i] ?? 'the key was not stored')
        if (!isSame(key.hash, command.hash)) return refused('invalid_request', `there is another key ${command.keyId} already`)
        log.info({ key_id: key.id, key_name: key.name, scopes: key.scopes, user_id: key.user_id }, 'key created')
        return done(key)
      })
      return { outcomes: answers.map((answer) => toWire(answer, keyMessage)) }
    },
    async listKeys({ queries }) {
      const pages = queries.map(async ({ before, all, limit: asked }) => {
        const limit = Math.min(Math.max(asked, 1), MAX_PAGE)
        const keys = await store.listKeys(db, { before, all, limit })
        return { keys: keys.map(keyMessage), next: keys.length === limit ? (keys.at(-1)?.id ?? '') : '' }
      })
      return { pages: await Promise.all(pages) }
    },
    async revokeKeys({ keyIds }) {
      await store.revokeKeys(db, keyIds)
      const found = await store.getKeys(db, keyIds)
      const answers = keyIds.map((id): Answer<store.ApiKeyRow> => {
        const key = found.get(id)
        if (!key) return refused('not_found', `there is no key ${id}`)
        log.info({ key_id: key.id, key_name: key.name }, 'key revoked')
        return done(key)
      })
      return { outcomes: answers.map((answer) => toWire(answer, keyMessage)) }
    },
    async verifyKeys({ credentials }) {
      const ids = [...new Set(credentials.map(({ keyId }) => keyId))]
      const found = await store.getKeys(db, ids)
      const answers = credentials.map(({ keyId, hash }) => judge(found.get(keyId), hash))
      noteUse(answers.flatMap((answer) => (answer.kind === 'done' ? answer.value : [])))
      return { outcomes: answers.map((answer) => toWire(answer, keyMessage)) }
    },
  }

  /** Nobody waits for it, and what is lost is told by the next use. */
  function noteUse(keys: readonly store.ApiKeyRow[]): void {
    const isLongAgo = ({ last_used_at: at }: store.ApiKeyRow) => at === null || Date.now() - at.getTime() > USED_AGAIN_MS
    const ids = [...new Set(keys.filter(isLongAgo).map(({ id }) => id))]
    if (ids.length > 0) store.markUsed(db, ids).catch((error: Error) => log.debug({ error: error.message }, 'use of keys not noted'))
  }
}

/** Why a key is refused is told only to who has the whole of it. */
function judge(key: store.ApiKeyRow | undefined, hash: Uint8Array): Answer<store.ApiKeyRow> {
  if (!key || !isSame(key.hash, hash)) return refused('key_invalid', 'there is no such key')
  if (key.revoked_at) return refused('key_invalid', 'this key was revoked')
  if (key.is_expired) return refused('key_expired', `this key expired at ${key.expires_at?.toISOString()}`)
  return done(key)
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b)

/** Undefined for a key that can be stored. */
function problemWith({ keyId, hash, name, scopes, userId, expiresAt }: CreateKeyCommand): string | undefined {
  if (!isKeyId(keyId)) return 'the id of a key is 16 hex digits'
  if (hash.length !== 32) return 'the hash of a key is its SHA-256'
  if (!/^[^\p{Cc}]{1,100}$/u.test(name)) return 'a key has a name of 1 to 100 characters'
  if (scopes.length === 0) return `a key has at least one scope of ${Object.keys(SCOPES).join(', ')}`
  const unknown = scopes.find((scope) => !isScope(scope))
  if (unknown !== undefined) return `there is no scope "${unknown}": there are ${Object.keys(SCOPES).join(', ')}`
  if (userId !== '' && !isName(userId)) return `"${userId}" can not be the id of a user`
  const tooMuch = userId === '' ? undefined : scopes.find((scope) => !BOUND_SCOPES.some((bound) => bound === scope))
  if (tooMuch !== undefined) return `a key bound to a user can not have ${tooMuch}, only ${BOUND_SCOPES.join(', ')}`
  if (expiresAt && Number.isNaN(expiresAt.getTime())) return 'the time of expiry is no time'
  return undefined
}

const newKey = ({ keyId, hash, name, scopes, userId, expiresAt }: CreateKeyCommand): store.NewKey => ({
  ...{ id: keyId, hash: Buffer.from(hash), name, scopes: [...new Set(scopes)], user_id: userId || null, expires_at: expiresAt ?? null },
})

/** Of a key as services and people see it: never its hash. */
const keyMessage = (key: store.ApiKeyRow): ApiKey => ({
  ...{ id: key.id, name: key.name, scopes: key.scopes, userId: key.user_id ?? '', createdAt: key.created_at },
  ...{ expiresAt: key.expires_at ?? undefined, revokedAt: key.revoked_at ?? undefined, lastUsedAt: key.last_used_at ?? undefined },
})
