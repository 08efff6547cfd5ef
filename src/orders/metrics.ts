import type { Broker } from '../broker/broker.ts'
import { readLastAudit } from '../platform/last-audit.ts'
import { meter, type Reading } from '../platform/metrics.ts'
import { watchDatabase } from '../platform/watch-database.ts'
import type { Health } from './health.ts'
import { readStatuses, readWork } from './metrics-store.ts'
import { STEPS } from './order.ts'

/** Shorter than a reading may take: a broker that hangs is down, not unknown. */
const BROKER_MS = 1_500
const COUNT_EVERY_MS = 15_000

type Told = { databaseUrl: string; dataDir: string; health: Health; broker: Broker }

/** What orders tells whoever scrapes: its orders, the services it needs, the broker, and the last audit. Does nothing while metrics are off. */
export function watchOrders({ databaseUrl, dataDir, health, broker }: Told): { close(): Promise<void> } {
  const to = meter()
  const dependencies = () =>
    STEPS.map((dependency) => ({ metric: 'comanda_dependency_up', labels: { dependency }, value: health.isDown(dependency) ? 0 : 1 }))
  const ends = [
    to?.watch('dependencies', dependencies, { everyMs: 0 }),
    to?.watch('broker', () => readBroker(broker)),
    to?.watch('audit', () => readAudit(dataDir)),
  ]
  const database = watchDatabase(databaseUrl, { orders: { read: readStatuses, everyMs: COUNT_EVERY_MS }, work: { read: readWork } })
  return {
    close() {
      for (const end of ends) end?.()
      return database.close()
    },
  }
}

async function readBroker(broker: Broker): Promise<Reading[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), BROKER_MS)
  })
  const queues = await Promise.race([broker.depth().catch(() => undefined), late]).finally(() => clearTimeout(timer))
  return [
    { metric: 'comanda_broker_up', value: queues ? 1 : 0 },
    ...(queues ?? []).flatMap(({ queue, ready, delayed, inFlight, dead }) =>
      Object.entries({ ready, delayed, in_flight: inFlight, dead }).map(([state, value]) => ({
        ...{ metric: 'comanda_broker_messages', labels: { queue, state }, value },
      })),
    ),
  ]
}

function readAudit(dataDir: string): Reading[] {
  const audit = readLastAudit(dataDir)
  if (!audit) return []
  return [
    { metric: 'comanda_audit_ok', value: audit.ok ? 1 : 0 },
    { metric: 'comanda_audit_timestamp_seconds', value: Date.parse(audit.endedAt) / 1_000 },
    ...Object.entries(audit.violations).map(([promise, value]) => ({ metric: 'comanda_audit_violations', labels: { promise }, value })),
  ]
}
