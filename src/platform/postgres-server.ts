import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import type { Place } from './postgres-place.ts'

/** Finds the server that runs on a cluster. */

export const USER = 'comanda'
/** Recovery after a crash, or the end of a shutdown, may take this long. */
const PATIENCE_MS = 60_000

export const urlOf = ({ password, port, database }: { password: string; port: number; database: string }): string =>
  `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`

/** The port of the server that runs on this cluster and answers. One that still recovers or shuts down is waited for; undefined when none runs. */
export async function findServer(place: Place, password: string, patienceMs = PATIENCE_MS): Promise<number | undefined> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const server = await readPidFile(place)
    if (!server) return undefined
    if (server.port && (await answers(urlOf({ password, port: server.port, database: 'postgres' })))) return server.port
    if (performance.now() >= deadline) return undefined
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** The process id of the server, whether it answers or not. */
export async function pidOfServer(place: Place): Promise<number | undefined> {
  return (await readPidFile(place))?.pid
}

async function readPidFile({ cluster }: Place): Promise<{ pid: number; port: number | undefined } | undefined> {
  const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  const pid = Number(lines[0])
  if (!pid) return undefined
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined
  }
  // Process ids are used again: after a crash of the machine another program may have this one.
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => cluster)
  return command.includes(cluster) ? { pid, port: Number(lines[3]) || undefined } : undefined
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch (error) {
    if ((error as pg.DatabaseError).code === '28P01')
      throw new Error('PostgreSQL refuses the password in the data folder: was that file changed?')
    return false
  } finally {
    await client.end().catch(() => {})
  }
}
