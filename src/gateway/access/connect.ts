import { AccessServiceDefinition, type ApiKey } from '../../gen/comanda/v1/access.ts'
import type { Credential } from '../../platform/api-key.ts'
import { batched } from '../../platform/batched.ts'
import type { Config } from '../../platform/config.ts'
import { isLoopback } from '../../platform/exposure.ts'
import { connectGrpc } from '../../platform/grpc.ts'
import { fromWire } from '../../platform/outcome.ts'
import type { Access } from './gate.ts'
import { keyMemory } from './key-memory.ts'
import { rateLimit } from './rate-limit.ts'

/** A request is not kept waiting for an orders that hangs. */
const VERIFY_MS = 1_000
const VERIFYING = { max: 256, concurrency: 4, maxQueued: 10_000 }

export type OpenAccess = Access & { close(): void }

/** Access as the settings say. */
export function connectAccess({ gateway, grpc }: Pick<Config, 'gateway' | 'grpc'>): OpenAccess {
  const { host, rateLimit: perSecond, keyMemoryMs: staleMs } = gateway
  const limit = perSecond === undefined ? undefined : rateLimit({ perSecond })
  const docsAreOpen = isLoopback(host)
  if (gateway.access === 'open') return { docsAreOpen, isForThisMachine: true, limit, close: () => {} }
  const access = connectGrpc(AccessServiceDefinition, grpc.addresses.orders, Math.min(VERIFY_MS, grpc.timeoutMs))
  const verify = batched(
    async (credentials: Credential[]) => (await access.verifyKeys({ credentials })).outcomes.map((outcome) => fromWire<ApiKey>(outcome)),
    VERIFYING,
  )
  return { keys: keyMemory({ verify, staleMs }), docsAreOpen, limit, close: () => access.close() }
}
