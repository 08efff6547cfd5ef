import { Argument, type Command } from 'commander'
import { type Config, type OwnerName, SERVICES, type ServiceName } from '../platform/config.ts'
import { silentLog } from '../platform/log.ts'
import { isListening } from './doctor/databases.ts'
import { Failure, oneLine, quietExit } from './failure.ts'
import { settings } from './options.ts'
import { terminalOf } from './terminal.ts'

const ANSWER_MS = 3_000
/** grpc.health.v1.HealthCheckResponse.ServingStatus */
const SERVING = 1

export function healthCommand(program: Command): void {
  program
    .command('health')
    .summary('whether a service on this machine works: for containers')
    .description(
      'Ask services on this machine whether they work: over gRPC health checking, the gateway over HTTP. Without names: those that listen here, ' +
        'and there must be one. Exit code 1 when one does not work.',
    )
    .addArgument(new Argument('[services...]', 'which').choices([...SERVICES]))
    .action(async (names: ServiceName[], _options: object, command: Command) => {
      const config = settings()
      if (config.grpc.tls) {
        const { useMutualTls } = await import('../platform/mutual-tls.ts')
        await useMutualTls(config.grpc.tls, { who: ['operator'], log: silentLog() })
      }
      const asked = names.length > 0 ? names : await whoListens(config)
      const answers = await Promise.all(asked.map(async (name) => ({ name, says: await ask(name, config) })))
      const terminal = terminalOf(command)
      for (const { name, says } of answers) terminal.out(`${name.padEnd(10)} ${says}`)
      if (answers.length === 0) throw new Failure('no service listens here')
      if (answers.some(({ says }) => says !== 'serving')) throw quietExit(1)
    })
}

async function whoListens(config: Config): Promise<ServiceName[]> {
  const found = await Promise.all(
    SERVICES.map(async (name) => {
      const { host, port } = placeOf(name, config)
      return (await isListening(host, port)) ? [name] : []
    }),
  )
  return found.flat()
}

/** Who listens on all addresses is asked on loopback. */
function placeOf(name: ServiceName, { gateway, grpc }: Config): { host: string; port: number } {
  const host = name === 'gateway' ? gateway.host : grpc.host
  const port = name === 'gateway' ? gateway.port : grpc.ports[name]
  return { host: { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host, port }
}

/** `serving`, or what is wrong. */
async function ask(name: ServiceName, config: Config): Promise<string> {
  const { host, port } = placeOf(name, config)
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  try {
    return await (name === 'gateway' ? askGateway(address) : askService(address, name))
  } catch (error) {
    return oneLine(error)
  }
}

async function askGateway(address: string): Promise<string> {
  const { status } = await fetch(`http://${address}/healthz`, { signal: AbortSignal.timeout(ANSWER_MS) })
  return status === 200 ? 'serving' : `answers ${status}`
}

async function askService(address: string, service: OwnerName): Promise<string> {
  // Loaded here only: every other command starts without gRPC.
  const { connectGrpc } = await import('../platform/grpc.ts')
  const { HealthDefinition } = await import('nice-grpc-server-health')
  const client = connectGrpc(HealthDefinition, address, { timeoutMs: ANSWER_MS, service })
  try {
    const { status } = await client.check({ service: '' })
    return status === SERVING ? 'serving' : 'not serving'
  } finally {
    client.close()
  }
}
