import { accessService } from '../access/service.ts'
import { AccessServiceDefinition } from '../gen/comanda/v1/access.ts'
import type { Config } from '../platform/config.ts'
import { connectGrpc, type GrpcClient, isUnavailable } from '../platform/grpc.ts'
import { silentLog } from '../platform/log.ts'
import { useMutualTls } from '../platform/mutual-tls.ts'
import { isDatabaseDown, openDatabase, sqlState } from '../platform/postgres.ts'
import { trustAlso } from '../platform/trust.ts'
import { oneLine } from './failure.ts'

/** What "comanda keys" works with: the same service in orders, or here on the database of orders. */
export type Keys = Pick<GrpcClient<AccessServiceDefinition>, 'createKeys' | 'listKeys' | 'revokeKeys'>

/** On the database where one is named: the first key can be made before anything runs, once `migrations/` of orders were applied. */
export async function openKeys({
  databaseUrls,
  grpc,
  caCertificates,
}: Pick<Config, 'databaseUrls' | 'grpc' | 'caCertificates'>): Promise<Keys & { close(): Promise<void> }> {
  if (databaseUrls.orders === '') {
    await useMutualTls(grpc.tls, { who: ['operator'], log: silentLog() })
    const { close, ...client } = connectGrpc(AccessServiceDefinition, grpc.addresses.orders, grpc.timeoutMs)
    return { ...client, close: async () => close() }
  }
  trustAlso(caCertificates)
  const db = openDatabase(databaseUrls.orders, { max: 1, applicationName: 'comanda keys' })
  const service = accessService({ db, log: silentLog() })
  return { ...(service as unknown as Keys), close: () => db.close() }
}

const UNDEFINED_TABLE = '42P01'

/** What to do about keys that can't be reached; undefined for any other error. */
export function whyNotReached(error: unknown): string | undefined {
  if (sqlState(error) === UNDEFINED_TABLE) return 'the database of orders has no tables for keys yet: run "comanda migrate orders"'
  if (!isUnavailable(error) && !isDatabaseDown(error)) return undefined
  return `the keys can't be reached (${oneLine(error)}): start the system, or say where it is by ORDERS_ADDRESS or ORDERS_DATABASE_URL`
}
