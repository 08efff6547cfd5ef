import { rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { type Config, readConfig } from '../../src/platform/config.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts'
import { temporaryFolder } from '../support/folder.ts'
import { freePorts } from '../support/system.ts'

/** A folder with a small PostgreSQL of its own, to be backed up and restored. */
export async function openShelf(name: string) {
  const dir = temporaryFolder(name)
  const [port = 0, other = 0] = await freePorts(2)
  const servers: EmbeddedPostgres[] = []
  const configOf = (data: string): Config =>
    readConfig({ DATA_DIR: join(dir, data), POSTGRES_PORT: String(data === 'data' ? port : other) })
  const start = async (data: string) => {
    const { dataDir, postgresPort } = configOf(data)
    const server = await startEmbeddedPostgres({
      dataDir,
      port: postgresPort,
      databases: ['orders', 'payment'],
      settings: { fsync: 'off' },
    })
    servers.push(server)
    return server
  }
  return {
    dir,
    in: (...names: string[]) => join(dir, ...names),
    configOf,
    start,
    makeFolder: (data: string) => mkdir(join(dir, data), { recursive: true }),
    async close() {
      for (const server of servers) await server.stop().catch(() => {})
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
export type Shelf = Awaited<ReturnType<typeof openShelf>>

/** Runs some statements in one session. @returns the rows of the last. */
export async function ask(url: string | undefined, ...statements: string[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    let rows: Record<string, unknown>[] = []
    for (const statement of statements) rows = (await client.query(statement)).rows
    return rows
  } finally {
    await client.end()
  }
}
