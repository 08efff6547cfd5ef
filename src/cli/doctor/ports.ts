import type { Config } from '../../platform/config.ts'
import { isListening } from './databases.ts'
import { bad, type Finding, fine, odd } from './finding.ts'

/** Each port with its setting. While the system is stopped, a port in use is one that it can't have. */
export async function checkPorts({ gateway, grpc }: Config, system: 'running' | 'stopped'): Promise<Finding[]> {
  const ports = [
    { setting: 'GATEWAY_PORT', host: gateway.host, port: gateway.port },
    ...Object.entries(grpc.ports).map(([owner, port]) => ({ setting: `${owner.toUpperCase()}_PORT`, host: grpc.host, port })),
  ]
  return Promise.all(
    ports.map(async ({ setting, host, port }) => {
      const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
      const isUsed = await isListening(reachable, port)
      if (system === 'running')
        return isUsed
          ? fine(`port ${port}`, `in use (${setting})`)
          : odd(
              `port ${port}`,
              `nobody listens (${setting})`,
              'that service is down, or this shell has other settings than the running system',
            )
      return isUsed
        ? bad(`port ${port}`, `taken by another program (${setting})`, `end it, or set ${setting} to a free port`)
        : fine(`port ${port}`, `free (${setting})`)
    }),
  )
}
