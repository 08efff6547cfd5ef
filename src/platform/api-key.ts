import { hash as digest, randomBytes } from 'node:crypto'

/**
 * API keys of the gateway: `cmd_<id>_<secret>`, id 16 hex digits, secret 256 random bits in base64url. The id names the key in lists and logs; the whole is
 * shown once, where it is made, and everywhere else stands its SHA-256. A slow hash (bcrypt, argon2) protects what people choose; 256 random bits can't be guessed
 * from a hash however fast it is, and the gateway computes one for each request (OWASP ASVS 5.0, 11.4.2 asks for slow ones for passwords only).
 */

/** What a key may be allowed to do. Each route of the gateway asks for exactly one. */
export const SCOPES = {
  'orders:read': 'see orders, their history, payments and shipments',
  'orders:write': 'place and cancel orders',
  'stock:read': 'see products and their stock',
  'stock:write': 'create products, receive and count stock',
  'shipments:write': 'say that shipments were dispatched and delivered',
  'customers:erase': 'erase what is known of a customer',
  ops: 'the queue, the dead-letter desk, reconciliations, faults on purpose',
} as const
export type Scope = keyof typeof SCOPES

/** All that a key bound to a user can have: the rest is about everybody's orders. Kept by a CHECK in the database too. */
export const BOUND_SCOPES: readonly Scope[] = ['orders:read', 'orders:write', 'stock:read']

export const isScope = (text: unknown): text is Scope => typeof text === 'string' && Object.hasOwn(SCOPES, text)

export const isKeyId = (text: string): boolean => /^[0-9a-f]{16}$/.test(text)

/** What services are told of a key in place of the key itself. `hash`: SHA-256 of the whole, 32 bytes. */
export type Credential = { keyId: string; hash: Buffer }

/** A new key; its text is to be shown once and forgotten. */
export function makeKey(): Credential & { text: string } {
  const keyId = randomBytes(8).toString('hex')
  const text = `cmd_${keyId}_${randomBytes(32).toString('base64url')}`
  return { text, keyId, hash: hashOf(text) }
}

/** Undefined for what can't be a key. */
export function readKey(text: string): Credential | undefined {
  const keyId = /^cmd_([0-9a-f]{16})_[\w-]{43}$/.exec(text)?.[1]
  return keyId === undefined ? undefined : { keyId, hash: hashOf(text) }
}

const hashOf = (text: string): Buffer => digest('sha256', text, 'buffer')
