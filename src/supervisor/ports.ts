import { createServer } from 'node:net'
import { type Config, SERVICES } from '../platform/config.ts'

type Wanted = { setting: string; host: string; port: number }

/** @throws when a port is still taken after `patienceMs`, naming it and the setting that changes it. */
export async function requireFreePorts(
  { gateway, grpc, metrics }: Pick<Config, 'gateway' | 'grpc' | 'metrics'>,
  patienceMs = 0,
): Promise<void> {
  const wanted: Wanted[] = [
    { setting: 'GATEWAY_PORT', host: gateway.host, port: gateway.port },
    ...Object.entries(grpc.ports).map(([owner, port]) => ({ setting: `${owner.toUpperCase()}_PORT`, host: grpc.host, port })),
    ...(metrics.port === undefined
      ? []
      : SERVICES.map((_, i) => ({ setting: 'METRICS_PORT', host: metrics.host, port: Number(metrics.port) + i }))),
  ]
  const twice = wanted.flatMap(({ setting, port }, i) => {
    const other = wanted.slice(0, i).find((earlier) => earlier.port === port)
    return other ? [`${other.setting} and ${setting} are both ${port}; set one of them to another`] : []
  })
  const deadline = performance.now() + patienceMs
  for (;;) {
    const problems = [...twice, ...(await Promise.all(wanted.map(problemWith))).filter((problem) => problem !== undefined)]
    if (problems.length === 0) return
    if (twice.length > 0 || performance.now() >= deadline) throw new Error(problems.join('; '))
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function problemWith({ setting, host, port }: Wanted): Promise<string | undefined> {
  const code = await new Promise<string | undefined>((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen(port, host, () => server.close(() => resolve(undefined)))
  })
  if (code === 'EADDRINUSE') return `port ${port} is taken; free it, or set ${setting} to another`
  if (code === 'EACCES') return `port ${port} needs more rights than this user has: set ${setting} to one above 1023`
  return code && `${host}:${port} can't be listened on (${code}): see ${setting}`
}
