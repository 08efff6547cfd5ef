import pc from 'picocolors'
import { brokerAddress } from '../platform/broker-address.ts'
import { type Config, OWNERS, SERVICES } from '../platform/config.ts'
import type { EmbeddedPostgres } from '../platform/embedded-postgres.ts'
import type { RestoredMark } from '../platform/restored.ts'

/** What runs where, and one thing to try. */
export function banner({
  config,
  postgres,
  seeded,
  restored,
  pids,
}: {
  config: Config
  postgres: EmbeddedPostgres | undefined
  seeded: number
  restored: RestoredMark | undefined
  pids: Map<string, number | undefined>
}): string {
  const { gateway, grpc, metrics } = config
  const url = `http://${gateway.host}:${gateway.port}`
  const row = (name: string, where: string) =>
    `  ${name.padEnd(11)} ${where.padEnd(34)} ${pc.dim(pids.has(name) ? `process ${pids.get(name)}` : '')}`.trimEnd()
  const key = gateway.access === 'keys' ? `-H "authorization: Bearer $COMANDA_API_KEY" ` : ''
  const body =
    '{"user_id":"u123","items":[{"product_id":"a1","quantity":2},{"product_id":"b2","quantity":1}],"payment_method":"credit_card"}'
  return [
    '',
    restored ? closed(restored) : `${pc.bold('Comanda')} takes orders.`,
    '',
    row('gateway', url),
    ...OWNERS.map((owner) => row(owner, `grpc ${grpc.host}:${grpc.ports[owner]}`)),
    ...(postgres ? [row('PostgreSQL', `127.0.0.1:${postgres.port}`)] : []),
    row('broker', config.brokerUrl === 'postgres' ? 'in PostgreSQL' : `RabbitMQ at ${brokerAddress(config.brokerUrl)}`),
    ...(metrics.port === undefined
      ? []
      : [row('metrics', `http://${metrics.host}:${metrics.port} and the ${SERVICES.length - 1} ports after it`)]),
    '',
    `  data in ${config.dataDir}, logs in ${config.log.dir}, the API to read at ${url}/docs`,
    ...(seeded > 0 ? [`  first start: ${seeded} products in the catalogue (${url}/products)`] : []),
    '',
    ...(gateway.access === 'keys' ? ['Every request needs a key: "comanda keys create --name first --scopes all" makes one.', ''] : []),
    'Try:',
    '',
    pc.cyan(`  curl -i ${url}/orders -H 'content-type: application/json' ${key}-d '${body}'`),
    ...(config.faults === 'on' ? ['', 'See a service fail and nothing be lost:', '', pc.cyan('  npx comanda demo outage')] : []),
    '',
    'Ctrl-C stops it.',
    '',
  ].join('\n')
}

const closed = ({ backup_ended_at }: RestoredMark) =>
  pc.bold(`Restored as of ${backup_ended_at}: no orders are taken until the books are reconciled. "comanda restore --help" says how.`)
