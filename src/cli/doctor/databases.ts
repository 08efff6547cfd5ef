import { connect } from 'node:net'
import { type Config, DATABASES, embeddedDatabases } from '../../platform/config.ts'
import { bad, type Finding, fine, odd } from './finding.ts'

/** The databases that the settings name, or the embedded server. */
export async function checkDatabases(config: Config): Promise<Finding[]> {
  const { databaseUrls, dataDir } = config
  const findings: Finding[] = []
  for (const name of DATABASES.filter((one) => databaseUrls[one] !== '')) {
    const { hostname, port } = new URL(databaseUrls[name])
    const address = `${hostname}:${port || 5432}`
    const setting = `${name.toUpperCase()}_DATABASE_URL`
    findings.push(
      (await isListening(hostname, Number(port || 5432)))
        ? fine(`database ${name}`, address)
        : bad(`database ${name}`, `nobody answers at ${address}`, `start that PostgreSQL, or see ${setting}`),
    )
  }
  if (embeddedDatabases(config).length === 0) return findings
  // Loaded here only: every other command starts without a PostgreSQL client.
  const { embeddedUrls } = await import('../../platform/embedded-postgres.ts')
  const urls = await embeddedUrls(dataDir)
  const port = urls && new URL(Object.values(urls)[0] ?? 'postgres://localhost').port
  return [
    ...findings,
    port ? fine('embedded PostgreSQL', `runs on port ${port}`) : odd('embedded PostgreSQL', 'does not run', '"npm start" starts it'),
  ]
}

/** Whether a TCP connection is taken within a second. */
export function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 })
    const end = (is: boolean) => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', () => end(true))
    socket.once('timeout', () => end(false))
    socket.once('error', () => end(false))
  })
}
