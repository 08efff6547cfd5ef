import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts'
import { until } from '../support/until.ts'

/** The PostgreSQL of the chaos: real, with a folder of its own, its writes flushed to the disk as in production. */
export type DatabaseServer = {
  port(): number
  url(database: string): string
  /** So that recovery need not repeat what was made before. */
  checkpoint(): Promise<void>
  isUp(): boolean
  /** SIGKILL to the postmaster, as when the machine's memory is full. Its backends notice and go. */
  kill(): Promise<void>
  /** Starts it again: it recovers from its write-ahead log. */
  start(): Promise<void>
  stop(): Promise<void>
}

/** Ten processes with up to eight connections each, and those of the killed that PostgreSQL has not yet missed. */
export const DATABASE_SETTINGS = {
  max_connections: '300',
  // Before it recovers, PostgreSQL flushes every file of its folder, one by one: on a busy disk 8 s of 10. syncfs is one call.
  recovery_init_sync_method: 'syncfs',
}

export async function startDatabaseServer({ dataDir, port, databases }: { dataDir: string; port: number; databases: readonly string[] }) {
  const start = () => startEmbeddedPostgres({ dataDir, port, databases, settings: DATABASE_SETTINGS })
  let running = await start()
  let isUp = true
  const server: DatabaseServer = {
    port: () => running.port,
    url: (database) => running.urls[database] ?? '',
    async checkpoint() {
      const client = new pg.Client({ connectionString: running.urls[databases[0] ?? ''] })
      await client.connect()
      await client.query('checkpoint')
      await client.end()
    },
    isUp: () => isUp,
    async kill() {
      isUp = false
      await killPostmaster(running.folder)
    },
    async start() {
      running = await start()
      isUp = true
    },
    stop: () => running.stop(),
  }
  return server
}

/** @param folder of its data. */
export async function killPostmaster(folder: string): Promise<void> {
  const pid = Number(readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0])
  process.kill(pid, 'SIGKILL')
  await until('the postmaster to be gone', () => !isThere(pid))
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
