import { Writable } from 'node:stream'
import { pino } from 'pino'
import type { Access } from '../../src/gateway/access/gate.ts'
import { keyMemory } from '../../src/gateway/access/key-memory.ts'
import { ApiKey } from '../../src/gen/comanda/v1/access.ts'
import { type Credential, makeKey, SCOPES } from '../../src/platform/api-key.ts'
import { type Answer, done, refused } from '../../src/platform/outcome.ts'

/** Keys for a gateway in a test, verified as orders would. */
export function keyRing() {
  const stored = new Map<string, { hash: Buffer; key: ApiKey }>()
  const verify = async ({ keyId, hash }: Credential): Promise<Answer<ApiKey>> => {
    const found = stored.get(keyId)
    return found?.hash.equals(hash) ? done(found.key) : refused('key_invalid', 'there is no such key')
  }
  return {
    verify,
    access: (more: Partial<Access> = {}): Access => ({ keys: keyMemory({ verify, staleMs: 60_000 }), docsAreOpen: false, ...more }),
    revokeAll: () => stored.clear(),
    /** The headers of a new key. */
    key(scopes: string[] = Object.keys(SCOPES), more: Partial<ApiKey> = {}): { authorization: string } {
      const { text, keyId, hash } = makeKey()
      stored.set(keyId, { hash, key: ApiKey.fromPartial({ id: keyId, name: 'test', scopes, ...more }) })
      return { authorization: `Bearer ${text}` }
    },
  }
}

/** A log that keeps its lines. */
export function memoryLog() {
  const lines: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, next) {
      lines.push(String(chunk))
      next()
    },
  })
  const entries = (message: string) => lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ msg }) => msg === message)
  return { log: pino({ level: 'trace' }, stream), lines, entries }
}
