import { mkdir, readdir, rm, rmdir, statfs } from 'node:fs/promises'
import { join, relative } from 'node:path'
import pg from 'pg'
import {
  type CopiedFile,
  type CopyFile,
  clusterBytes,
  copyCluster,
  copyFile,
  copyLog,
  flush,
  putFile,
  syncFolder,
} from '../platform/cluster-copy.ts'
import { type Config, embeddedDatabases } from '../platform/config.ts'
import { embeddedUrls, startEmbeddedPostgres } from '../platform/embedded-postgres.ts'
import { findPlace, type Place } from '../platform/postgres-place.ts'
import { readRestoredMark } from '../platform/restored.ts'
import { version } from '../platform/version.ts'
import { lockDataDir } from '../supervisor/lock.ts'
import {
  BackupError,
  CLUSTER,
  MANIFEST,
  type Manifest,
  PASSWORD,
  readManifest,
  UNFINISHED,
  verifyFiles,
  writeManifest,
} from './manifest.ts'

export type Watch = {
  /** It goes on with something else, of so many bytes. */
  onStep?: (what: string, bytes: number) => void
  onBytes?: (bytes: number) => void
  /** How a file is copied. */
  copy?: CopyFile
}

/**
 * Copies the embedded PostgreSQL with all its databases, as of one moment, into a folder that is empty or not there; while it runs and takes orders, or stopped. What
 * was written is read again from the disk. Whatever goes wrong, no backup is left, and of one that was killed the folder says so.
 * @throws {BackupError} in plain words.
 */
export async function backUp(config: Config, to: string, watch: Watch = {}): Promise<Manifest> {
  const databases = embeddedDatabases(config)
  if (databases.length === 0)
    throw new BackupError('all databases are on servers of their own: docs/OPERATING.md says how those are backed up')
  const place = await findPlace(config.dataDir).catch(() => undefined)
  if (!place || (await readdir(place.cluster).catch(() => [])).length === 0)
    throw new BackupError(`there is no database in ${config.dataDir}: nothing to back up`)
  if ((await readRestoredMark(config.dataDir))?.state === 'copying')
    throw new BackupError(`a restore into ${config.dataDir} was cut off: there is nothing whole to back up`)
  for (const folder of [place.cluster, place.entry]) {
    const inside = relative(folder, to)
    if (!inside.startsWith('..')) throw new BackupError(`${to} lies inside the folder of PostgreSQL: name another`)
  }
  const server = await findOrStart(config, databases)
  try {
    await prepare(to)
    try {
      return await withSession(server.url, (client) => write(client, { place, to, databases, watch }))
    } catch (error) {
      await clear(to)
      throw error
    }
  } finally {
    await server.stop()
  }
}

/** The one that runs; one that is stopped is started for the backup, with its data folder locked, so that nobody comes to use it. */
async function findOrStart({ dataDir, postgresPort }: Config, databases: string[]): Promise<{ url: string; stop(): Promise<void> }> {
  const running = await embeddedUrls(dataDir, ['postgres'])
  if (running?.postgres) return { url: running.postgres, stop: async () => {} }
  const lock = lockDataDir(dataDir)
  try {
    const own = await startEmbeddedPostgres({ dataDir, port: postgresPort, databases: ['postgres', ...databases] })
    return {
      url: own.urls.postgres ?? '',
      async stop() {
        await own.stop()
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

async function prepare(to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 })
  if ((await readdir(to)).length > 0) throw new BackupError(`${to} is not empty: name a new folder for each backup`)
  await putFile(join(to, UNFINISHED), { text: `begun ${new Date().toISOString()} by process ${process.pid}\n`, path: UNFINISHED })
}

/** Only what we made: the folder was empty. */
async function clear(to: string): Promise<void> {
  for (const name of [CLUSTER, PASSWORD, MANIFEST, UNFINISHED]) await rm(join(to, name), { recursive: true, force: true })
  await rmdir(to).catch(() => {})
}

type Writing = { place: Place; to: string; databases: string[]; watch: Watch }

async function write(client: pg.Client, { place, to, databases, watch }: Writing): Promise<Manifest> {
  const { copy = copyFile, onStep, onBytes } = watch
  const label = `comanda ${process.pid}`
  const how = { from: place.cluster, to: join(to, CLUSTER), label, copy, onBytes }
  const began_at = await now(client)
  const bytes = await clusterBytes(place.cluster)
  const { bavail, bsize } = await statfs(to)
  if (bytes > bavail * bsize)
    throw new BackupError(`${to} has room for ${megabytes(bavail * bsize)}, and the backup needs ${megabytes(bytes)}`)
  onStep?.('copying', bytes)
  // Keeps the log that is written from here on, and is gone with this session, whatever becomes of us.
  await client.query('select pg_create_physical_replication_slot($1, true, true)', [`comanda_backup_${process.pid}`])
  const { files, folders, startLsn, stopLsn } = await copyCluster(client, how)
  const ended_at = await now(client)
  const log = await copyLog(client, how, { start: startLsn, stop: stopLsn })
  const password = await copy(place.passwordFile, join(to, PASSWORD))
  if (!password) throw new BackupError(`${place.passwordFile} is gone`)
  const inCluster = [...files, ...log].map((file): CopiedFile => ({ ...file, path: `${CLUSTER}/${file.path}` }))
  const all = [...inCluster, { path: PASSWORD, ...password }].sort((a, b) => (a.path < b.path ? -1 : 1))
  const manifest: Manifest = {
    format: 1,
    comanda: version,
    postgres: place.majorVersion,
    databases,
    began_at,
    ended_at,
    bytes: all.reduce((sum, file) => sum + file.bytes, 0),
    folders: folders.map((folder) => `${CLUSTER}/${folder}`),
    files: all,
  }
  await flush(to, [...manifest.folders, ...all.map(({ path }) => path)])
  onStep?.('reading again', manifest.bytes)
  await verifyFiles(to, manifest, onBytes)
  await writeManifest(to, manifest)
  await rm(join(to, UNFINISHED))
  await syncFolder(to)
  return readManifest(to)
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`

const now = async (client: pg.Client) => {
  const { rows } = await client.query<{ now: Date }>('select clock_timestamp() as now')
  return rows[0]?.now.toISOString() ?? ''
}

async function withSession<T>(connectionString: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString, application_name: 'comanda backup' })
  // The statement that meets it fails; nothing else is to be done.
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}
