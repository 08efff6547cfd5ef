import { createServer } from 'node:net'
import type { Config } from '../platform/config.ts'

/** @throws when a port is taken, naming it and the setting that changes it. */
export async function requireFreePorts({ gateway, grpc }: Config): Promise<void> {
  const wanted = [
    { setting: 'GATEWAY_PORT', host: gateway.host, port: gateway.port },
    ...Object.entries(grpc.ports).map(([owner, port]) => ({ setting: `${owner.toUpperCase()}_PORT`, host: grpc.host, port })),
  ]
  const taken: string[] = []
  for (const { setting, host, port } of wanted) {
    const code = await new Promise<string | undefined>((resolve) => {
      const server = createServer()
      server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      server.listen(port, host, () => server.close(() => resolve(undefined)))
    })
    if (code === 'EADDRINUSE') taken.push(`port ${port} is taken; free it, or set ${setting} to another`)
    else if (code === 'EACCES') taken.push(`port ${port} needs more rights than this user has; set ${setting} to one above 1023`)
    else if (code) taken.push(`${host}:${port} can't be listened on (${code}); see ${setting}`)
  }
  if (taken.length > 0) throw new Error(taken.join('\n'))
}
