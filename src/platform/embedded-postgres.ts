import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { type Place, placeFor } from './postgres-place.ts'

/**
 * A real PostgreSQL, from binaries that npm brought. It runs in a session of its own, so that Ctrl-C reaches the
 * services and not it; a server left behind by a killed supervisor is adopted by the next.
 */
export type EmbeddedPostgres = {
  /** By database name. */
  urls: Record<string, string>
  port: number
  folder: string
  /** It ran already. */
  adopted: boolean
  stop(): Promise<void>
}

export class PostgresError extends Error {
  override name = 'PostgresError'
}

const run = promisify(execFile)
const USER = 'comanda'

/** fsync and synchronous_commit stay on: what was answered must survive a power cut. */
const SERVER_SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  wal_compression: 'pglz',
  // Hot rows are rewritten by every batch: their dead versions are to be gone before they hurt.
  autovacuum_naptime: '10s',
  log_min_messages: 'warning',
}

export type EmbeddedOptions = { dataDir: string; port: number; databases: readonly string[]; settings?: Record<string, string> }

/** Starts the server of a data folder, or adopts it when it runs. @throws {PostgresError} in plain words. */
export async function startEmbeddedPostgres({ dataDir, port, databases, settings = {} }: EmbeddedOptions): Promise<EmbeddedPostgres> {
  await mkdir(dataDir, { recursive: true }).catch((error: Error) => {
    throw new PostgresError(`the data folder ${dataDir} can't be made: ${error.message}`)
  })
  const place = await placeFor(dataDir)
  await initialise(place)
  const password = await readFile(place.passwordFile, 'utf8').catch((error: Error) => {
    throw new PostgresError(`${place.passwordFile} can't be read (${error.message}); was the data folder made by another user?`)
  })
  const running = await runningPort(place)
  const actualPort = running ?? (await start(place, { port, settings }))
  await createMissing(urlOf({ password, port: actualPort, database: 'postgres' }), databases)
  return {
    urls: Object.fromEntries(databases.map((database) => [database, urlOf({ password, port: actualPort, database })])),
    port: actualPort,
    folder: place.cluster,
    adopted: running !== undefined,
    stop: async () => void (await pgCtl(place, ['stop', '-m', 'fast', '-w', '-t', '60'])),
  }
}

/** The URLs of a server that runs on this data folder now; undefined when none does. */
export async function embeddedUrls(
  dataDir: string,
  databases: readonly string[] = ['orders', 'inventory', 'payment', 'shipping'],
): Promise<Record<string, string> | undefined> {
  try {
    const place = await placeFor(dataDir)
    const port = await runningPort(place)
    if (!port) return undefined
    const password = await readFile(place.passwordFile, 'utf8')
    return Object.fromEntries(databases.map((database) => [database, urlOf({ password, port, database })]))
  } catch {
    return undefined
  }
}

const urlOf = ({ password, port, database }: { password: string; port: number; database: string }) =>
  `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`

async function initialise(place: Place): Promise<void> {
  const version = await readFile(join(place.cluster, 'PG_VERSION'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new PostgresError(`the database folder ${place.cluster} can't be read: ${error.message}`)
  })
  if (version !== undefined) {
    if (version.trim() === place.majorVersion) return
    throw new PostgresError(
      `${place.cluster} was made by PostgreSQL ${version.trim()}, but this is ${place.majorVersion}: dump it with the former, or choose another DATA_DIR`,
    )
  }
  // A first start that was cut off leaves half a cluster; initdb wants the folder empty.
  await rm(place.cluster, { recursive: true, force: true })
  await mkdir(place.cluster, { recursive: true, mode: 0o700 })
  if (place.user) await chown(place.cluster, place.user.uid, place.user.gid)
  const password = randomBytes(18).toString('base64url')
  await writeFile(place.passwordFile, password, { mode: 0o600 })
  const forInitdb = `${place.cluster}.pw`
  try {
    await writeFile(forInitdb, password, { mode: 0o600 })
    if (place.user) await chown(forInitdb, place.user.uid, place.user.gid)
    await chmod(forInitdb, 0o600)
    const args = [
      '-D',
      place.cluster,
      '-U',
      USER,
      '-A',
      'scram-sha-256',
      `--pwfile=${forInitdb}`,
      '-E',
      'UTF8',
      '--locale=C',
      '--no-instructions',
    ]
    await run(join(place.bin, 'initdb'), args, spawnOptions(place))
  } catch (error) {
    await rm(place.cluster, { recursive: true, force: true })
    throw new PostgresError(`PostgreSQL could not make its folder ${place.cluster}:\n${lastLines(error)}`)
  } finally {
    await rm(forInitdb, { force: true })
  }
}

/** Starts the server on `port`, or on the next free one. Backends of a killed server may hold it up for a moment: tried again. */
async function start(place: Place, { port, settings }: { port: number; settings: Record<string, string> }): Promise<number> {
  const free = await nextFreePort(port)
  const options = Object.entries({ ...SERVER_SETTINGS, ...settings, port: String(free) }).map(
    ([name, value]) => `-c ${name}=${value || "''"}`,
  )
  for (let attempt = 1; ; attempt++) {
    try {
      await pgCtl(place, ['start', '-w', '-t', '60', '-l', place.logFile, '-o', options.join(' ')])
      return free
    } catch (error) {
      if (attempt >= 5) {
        const log = await readFile(place.logFile, 'utf8').catch(() => '')
        throw new PostgresError(
          `PostgreSQL did not start on ${place.cluster}:\n${log.trim().split('\n').slice(-8).join('\n') || lastLines(error)}`,
        )
      }
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
}

async function nextFreePort(from: number): Promise<number> {
  for (let port = from; port < from + 100; port++) {
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer()
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
  throw new PostgresError(`no port from ${from} to ${from + 99} is free for PostgreSQL; set POSTGRES_PORT`)
}

/** The port of the server that runs on this folder: its pid file names a living process, and it answers. */
async function runningPort(place: Place): Promise<number | undefined> {
  const lines = (await readFile(join(place.cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  const [pid, port] = [Number(lines[0]), Number(lines[3])]
  if (!pid || !port) return undefined
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined
  }
  const password = await readFile(place.passwordFile, 'utf8')
  const client = new pg.Client({ connectionString: urlOf({ password, port, database: 'postgres' }), connectionTimeoutMillis: 3_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return port
  } catch {
    return undefined
  } finally {
    await client.end().catch(() => {})
  }
}

async function createMissing(url: string, databases: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    const known = new Set((await client.query('select datname from pg_database')).rows.map((row) => row.datname as string))
    for (const name of databases) {
      // A name can't be a parameter; these are our own, and quoted all the same.
      const create = `create database ${pg.escapeIdentifier(name)}`
      if (!known.has(name)) await client.query(create)
    }
  } finally {
    await client.end()
  }
}

const spawnOptions = (place: Place) => ({
  cwd: '/',
  env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
  ...(place.user && { uid: place.user.uid, gid: place.user.gid }),
})

function pgCtl(place: Place, args: string[]): Promise<unknown> {
  // The server inherits pg_ctl's output, which would keep execFile waiting for its end: hence spawn without pipes.
  return new Promise<void>((resolve, reject) => {
    const child = execFile(join(place.bin, 'pg_ctl'), ['-D', place.cluster, ...args], { ...spawnOptions(place), maxBuffer: 1 << 20 })
    let said = ''
    child.stdout?.on('data', (chunk) => {
      said += chunk
    })
    child.stderr?.on('data', (chunk) => {
      said += chunk
    })
    child.once('error', reject)
    child.once('exit', (code) => {
      child.stdout?.destroy()
      child.stderr?.destroy()
      if (code === 0) resolve()
      else reject(new PostgresError(said.trim() || `pg_ctl ended with ${code}`))
    })
  })
}

function lastLines(error: unknown): string {
  const { stderr, message } = error as Error & { stderr?: string }
  return (stderr || message).trim().split('\n').slice(-6).join('\n')
}
