import { randomBytes } from 'node:crypto'
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { DATABASES } from './config.ts'
import { findPlace, makePlace, type Place } from './postgres-place.ts'
import { findServer, pidOfServer, USER, urlOf } from './postgres-server.ts'
import { lastLines, PostgresError, runTool } from './postgres-tool.ts'
import { readRestoredMark } from './restored.ts'

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
  /** Waits until all is on disk and the server is gone. */
  stop(): Promise<void>
  /** Tells it to stop, for one who can't wait. */
  stopSoon(): Promise<void>
}

const START_ATTEMPTS = 5

/** fsync and synchronous_commit stay on: what was answered must survive a power cut. */
const SERVER_SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  // These binaries come without lz4.
  wal_compression: 'pglz',
  // Hot rows are rewritten by every batch: their dead versions are to be gone before they hurt.
  autovacuum_naptime: '10s',
  log_min_messages: 'warning',
}

export type EmbeddedOptions = { dataDir: string; port: number; databases: readonly string[]; settings?: Record<string, string> }

/** Starts the server of a data folder, or adopts it when it runs. @throws {PostgresError} in plain words. */
export async function startEmbeddedPostgres({ dataDir, port, databases, settings = {} }: EmbeddedOptions): Promise<EmbeddedPostgres> {
  await mkdir(dataDir, { recursive: true }).catch((error: Error) => {
    throw new PostgresError(`the data folder ${dataDir} can't be made: ${error.message}; set DATA_DIR to another`)
  })
  const restored = await readRestoredMark(dataDir)
  if (restored?.state === 'copying')
    throw new PostgresError(`a restore into ${dataDir} was cut off: run it again (comanda restore ${restored.backup})`)
  await makePlace(await findPlace(dataDir)).catch((error: Error) => {
    throw new PostgresError(`the data folder ${dataDir} can't be used: ${error.message}`)
  })
  // Looked for again: of two starts at once the link of one counts for both.
  const place = await findPlace(dataDir)
  const password = await initialise(place)
  const found = await findServer(place, password)
  const running = found ?? (await start({ place, password, port, settings }))
  await createMissing(urlOf({ password, port: running, database: 'postgres' }), databases)
  return {
    urls: Object.fromEntries(databases.map((database) => [database, urlOf({ password, port: running, database })])),
    port: running,
    folder: place.cluster,
    adopted: found !== undefined,
    async stop() {
      if (await pidOfServer(place)) await runTool(place, 'pg_ctl', ['-D', place.cluster, 'stop', '-m', 'fast', '-w', '-t', '60'])
    },
    async stopSoon() {
      const pid = await pidOfServer(place)
      if (pid) process.kill(pid, 'SIGINT')
    },
  }
}

/** The URLs of a server that runs on this data folder now; undefined when none does. */
export async function embeddedUrls(dataDir: string, databases: readonly string[] = DATABASES): Promise<Record<string, string> | undefined> {
  try {
    const place = await findPlace(dataDir)
    const password = await readFile(place.passwordFile, 'utf8')
    const port = await findServer(place, password, 0)
    return port === undefined ? undefined : Object.fromEntries(databases.map((database) => [database, urlOf({ password, port, database })]))
  } catch {
    return undefined
  }
}

/** Makes the cluster unless it is there. @returns its password. */
async function initialise(place: Place): Promise<string> {
  const version = await readFile(join(place.cluster, 'PG_VERSION'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new PostgresError(`the database folder ${place.cluster} can't be read: ${error.message}; was it made by another user?`)
  })
  if (version === undefined) return makeCluster(place)
  if (version.trim() !== place.majorVersion)
    throw new PostgresError(
      `${place.cluster} was made by PostgreSQL ${version.trim()}, but this is ${place.majorVersion}: dump it with the former, or choose another DATA_DIR`,
    )
  return readPassword(place)
}

async function readPassword({ passwordFile }: Place): Promise<string> {
  const password = await readFile(passwordFile, 'utf8').catch((error: Error) => {
    throw new PostgresError(
      `${passwordFile} can't be read (${error.message}), and the database opens to nothing else; was the data folder made by another user?`,
    )
  })
  return password.trim()
}

async function makeCluster(place: Place): Promise<string> {
  // On the disk before the cluster is, or a power cut between the two would lock us out.
  await writeFile(place.passwordFile, randomBytes(18).toString('base64url'), { mode: 0o600, flag: 'wx', flush: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw new PostgresError(`the data folder can't be written: ${error.message}`)
    },
  )
  const password = await readPassword(place)
  // Made beside and renamed: a first start that is cut off leaves nothing that looks like a cluster.
  const half = `${place.cluster}.${randomBytes(4).toString('hex')}`
  const forInitdb = `${half}.pw`
  try {
    await mkdir(half, { mode: 0o700 })
    await writeFile(forInitdb, password, { mode: 0o600 })
    if (place.user) for (const path of [half, forInitdb]) await chown(path, place.user.uid, place.user.gid)
    const args = ['-D', half, '-U', USER, '-A', 'scram-sha-256', `--pwfile=${forInitdb}`, '-E', 'UTF8', '--locale=C', '--no-instructions']
    await runTool(place, 'initdb', args)
    await rename(half, place.cluster).catch((error: NodeJS.ErrnoException) => {
      // Another start was faster: its cluster has the same password.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } catch (error) {
    throw new PostgresError(`PostgreSQL could not make its folder ${place.cluster}:\n${(error as Error).message}`)
  } finally {
    for (const path of [half, forInitdb]) await rm(path, { recursive: true, force: true })
  }
  return password
}

type Start = { place: Place; password: string; port: number; settings: Record<string, string> }

/** Starts the server on `port`, or on the next free one. Backends of a killed server may hold it up for a moment: tried again. */
async function start({ place, password, port, settings }: Start): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const free = await nextFreePort(port)
    const options = Object.entries({ ...SERVER_SETTINGS, ...settings, port: String(free) }).map(
      ([name, value]) => `-c ${name}=${value || "''"}`,
    )
    try {
      await runTool(place, 'pg_ctl', ['-D', place.cluster, 'start', '-w', '-t', '60', '-l', place.logFile, '-o', options.join(' ')])
      return free
    } catch (error) {
      // Of two starts at once one is second: it uses the other's server.
      const other = await findServer(place, password)
      if (other) return other
      if (attempt >= START_ATTEMPTS) {
        const log = await readFile(place.logFile, 'utf8').catch(() => '')
        throw new PostgresError(
          `PostgreSQL did not start on ${place.cluster}; the end of ${place.logFile}:\n${lastLines(log) || (error as Error).message}`,
        )
      }
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
}

async function nextFreePort(from: number): Promise<number> {
  for (let port = from; port < Math.min(from + 100, 65_536); port++) {
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer()
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
  throw new PostgresError(`no port from ${from} on is free for PostgreSQL; set POSTGRES_PORT`)
}

async function createMissing(url: string, databases: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    const known = new Set((await client.query('select datname from pg_database')).rows.map((row) => row.datname as string))
    for (const name of databases.filter((one) => !known.has(one))) {
      // A name can't be a parameter; these are our own, and quoted all the same.
      const create = `create database ${pg.escapeIdentifier(name)}`
      await client.query(create).catch((error: pg.DatabaseError) => {
        // Another start was faster.
        if (error.code !== '42P04' && error.code !== '23505') throw error
      })
    }
  } finally {
    await client.end()
  }
}
