import { chown, readdir, rm, rmdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { copyFile, makeFolder, severalAtOnce } from '../platform/cluster-copy.ts'
import { type Config, embeddedDatabases } from '../platform/config.ts'
import { startEmbeddedPostgres } from '../platform/embedded-postgres.ts'
import { findPlace, makePlace, type Place } from '../platform/postgres-place.ts'
import { type RestoredMark, readRestoredMark, removeRestoredMark, writeRestoredMark } from '../platform/restored.ts'
import { lockDataDir } from '../supervisor/lock.ts'
import type { Watch } from './backup.ts'
import { BackupError, CLUSTER, type Manifest, PASSWORD, readManifest, verifyFiles } from './manifest.ts'

const LOCK = 'comanda.pid'
/** Before it recovers, PostgreSQL brings every file of its folder to the disk: so we need not. One call where there is one. */
const FLUSH: Record<string, string> = process.platform === 'linux' ? { recovery_init_sync_method: 'syncfs' } : {}

/** Whether a backup is finished, whole, and one that this version can restore. @throws {BackupError} */
export async function checkBackup(from: string, { onStep, onBytes }: Watch = {}): Promise<Manifest> {
  const manifest = await readManifest(from)
  onStep?.('checking', manifest.bytes)
  await verifyFiles(from, manifest, onBytes)
  return manifest
}

/**
 * Puts a backup into the data folder, which must be empty or not be there, and starts PostgreSQL on it once, to see that it is whole. The first start of the system afterwards
 * takes no orders (see `RestoredMark`). One that was cut off can be run again; until then nothing starts there.
 * @throws {BackupError} in plain words, with nothing changed or the folder as it was.
 */
export async function restore(config: Config, from: string, watch: Watch = {}): Promise<Manifest> {
  const { dataDir } = config
  const missing = embeddedDatabases(config)
  if (missing.length === 0)
    throw new BackupError('all databases are on servers of their own: docs/OPERATING.md says how those are restored')
  if (!relative(dataDir, from).startsWith('..'))
    throw new BackupError(`the backup lies inside the data folder ${dataDir}: name another with DATA_DIR`)
  const manifest = await checkBackup(from, watch)
  const lock = lockDataDir(dataDir)
  try {
    const mark = await readRestoredMark(dataDir)
    const there = (await readdir(dataDir)).filter((name) => name !== LOCK)
    if (mark?.state === 'copying') await clear(dataDir)
    else if (there.length > 0)
      throw new BackupError(
        `${dataDir} is not empty (${there.slice(0, 3).join(', ')} …): move it out of the way, or set DATA_DIR to a new folder`,
      )
    await putInto(config, { from, manifest, watch })
    return manifest
  } finally {
    lock.release()
    // Only if nothing is in it.
    await rmdir(dataDir).catch(() => {})
  }
}

async function putInto(config: Config, { from, manifest, watch }: { from: string; manifest: Manifest; watch: Watch }): Promise<void> {
  const { dataDir, postgresPort } = config
  const mark: RestoredMark = { state: 'copying', backup: from, backup_ended_at: manifest.ended_at, restored_at: new Date().toISOString() }
  await writeRestoredMark(dataDir, mark)
  try {
    await makePlace(await findPlace(dataDir))
    const place = await findPlace(dataDir)
    if (place.majorVersion !== manifest.postgres)
      throw new BackupError(
        `the backup is of PostgreSQL ${manifest.postgres}, and this is ${place.majorVersion}: restore it with the version of Comanda that made it (${manifest.comanda})`,
      )
    await copyBack(place, { from, manifest, watch })
    // From here on it counts as restored: whatever starts on it does what is left to do, and keeps the door closed.
    await writeRestoredMark(dataDir, { ...mark, state: 'closed' })
    watch.onStep?.('starting PostgreSQL on it', 0)
    const server = await startEmbeddedPostgres({ dataDir, port: postgresPort, databases: manifest.databases, settings: FLUSH })
    await server.stop()
  } catch (error) {
    await writeRestoredMark(dataDir, mark)
    await clear(dataDir)
    await removeRestoredMark(dataDir)
    throw error
  }
}

async function copyBack(
  { cluster, passwordFile, user }: Place,
  { from, manifest, watch }: { from: string; manifest: Manifest; watch: Watch },
) {
  const { copy = copyFile, onStep, onBytes } = watch
  const targetOf = (path: string) => (path === PASSWORD ? passwordFile : join(cluster, relative(CLUSTER, path)))
  onStep?.('copying', manifest.bytes)
  const folders = [CLUSTER, ...manifest.folders].map(targetOf)
  for (const folder of folders) await makeFolder(folder, user)
  await severalAtOnce(manifest.files, async ({ path, bytes, sha256 }) => {
    const target = targetOf(path)
    const copied = await copy(join(from, path), target)
    if (copied?.sha256 !== sha256) throw new BackupError(`${join(from, path)} has changed while it was copied`)
    if (user && path !== PASSWORD) await chown(target, user.uid, user.gid)
    onBytes?.(bytes)
  })
}

/** What an unfinished restore has put there. The mark stays to the end: until then nothing starts on it. */
async function clear(dataDir: string): Promise<void> {
  const { cluster, entry, passwordFile, logFile } = await findPlace(dataDir)
  for (const path of [cluster, entry, passwordFile, dirname(logFile)]) await rm(path, { recursive: true, force: true })
}
