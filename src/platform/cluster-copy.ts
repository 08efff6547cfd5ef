import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chown, type FileHandle, mkdir, open, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type pg from 'pg'

/**
 * A base backup by hand: the binaries that npm brings have no pg_basebackup. The server runs and writes meanwhile; its write-ahead log, replayed from where
 * the copy began to where it ended, makes one moment of it. All that the server keeps for us hangs on the session of `client` and ends with it.
 */

export type CopiedFile = { path: string; bytes: number; sha256: string }
export type Copied = { files: CopiedFile[]; folders: string[] }
/** Copies one file, not yet to the disk. Undefined: it was gone. */
export type CopyFile = (from: string, to: string) => Promise<Omit<CopiedFile, 'path'> | undefined>

export type ClusterCopy = {
  from: string
  to: string
  label: string
  /** Who the copy belongs to, when it is not us. */
  owner?: Owner | undefined
  copy?: CopyFile | undefined
  onBytes?: ((bytes: number) => void) | undefined
}
export type Owner = { uid: number; gid: number }

/** Of the running server, or of an earlier copy. */
const NOT_COPIED = ['postmaster.pid', 'postmaster.opts', 'backup_label', 'tablespace_map', 'pg_internal.init']
/** Its folders are needed, what is in them is not. */
const COPIED_EMPTY = ['pg_wal', 'pg_replslot', 'pg_stat_tmp', 'pg_dynshmem', 'pg_notify', 'pg_serial', 'pg_snapshots', 'pg_subtrans']
/** Written to all the time, and its checksum is of the whole: read last, and read again until it is the same twice. */
const CONTROL = 'global/pg_control'
const AT_ONCE = 4
const CHUNK = 128 * 1024
const SEGMENT = /^[0-9A-F]{24}$/

/**
 * Copies the folder of the server that `client` speaks to, as its superuser. The log is not copied: see `copyLog`.
 * @returns what was copied, and the stretch of the log that belongs to it.
 */
export async function copyCluster(client: pg.Client, { from, to, label, owner, copy = copyFile, onBytes }: ClusterCopy) {
  const begun = await client.query<{ lsn: string }>('select pg_backup_start($1, true)::text as lsn', [label])
  const { files: paths, folders } = await listCluster(from)
  for (const folder of ['', ...folders]) await makeFolder(join(to, folder), owner)
  const files = await copyFiles(
    paths.filter((path) => path !== CONTROL),
    { from, to, owner, copy, onBytes },
  )
  files.push(await copyControl({ from, to, owner, copy }))
  const { rows } = await client.query<{ lsn: string; labelfile: string }>('select lsn::text, labelfile from pg_backup_stop(false)')
  const { lsn: stopLsn = '', labelfile = '' } = rows[0] ?? {}
  files.push(await putFile(join(to, 'backup_label'), { text: labelfile, path: 'backup_label', owner }))
  return { files, folders, startLsn: begun.rows[0]?.lsn ?? '', stopLsn }
}

/** Copies the segments of the log that a copy of the cluster needs; a replication slot must have kept them. @throws when one is not there. */
export async function copyLog(
  client: pg.Client,
  { from, to, owner, copy = copyFile, onBytes }: ClusterCopy,
  lsn: { start: string; stop: string },
) {
  const { rows } = await client.query<{ first: string; last: string; segments: number }>(
    `select pg_walfile_name($1) as first, pg_walfile_name($2) as last,
      (ceil(($2::pg_lsn - '0/0') / size) - floor(($1::pg_lsn - '0/0') / size))::int as segments
     from pg_size_bytes(current_setting('wal_segment_size')) as size`,
    [lsn.start, lsn.stop],
  )
  const { first = '', last = '', segments = 0 } = rows[0] ?? {}
  const found = (await readdir(join(from, 'pg_wal'))).filter((name) => SEGMENT.test(name) && name >= first && name <= last)
  if (found.length !== segments)
    throw new Error(`the write-ahead log from ${first} to ${last} is not whole: ${found.length} of ${segments} segments`)
  return copyFiles(
    found.map((name) => `pg_wal/${name}`),
    { from, to, owner, copy, onBytes },
  )
}

/** The files and folders of a cluster that a copy needs, by their paths in it. @throws on what is neither: a table space elsewhere, say. */
async function listCluster(root: string): Promise<{ files: string[]; folders: string[] }> {
  const files: string[] = []
  const folders: string[] = []
  const walk = async (folder: string) => {
    // A folder of a database may be dropped meanwhile, a file of a table too: the log says so.
    const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(orGone([]))
    for (const entry of entries) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (NOT_COPIED.includes(entry.name) || entry.name.startsWith('pgsql_tmp')) continue
      if (entry.isFile()) files.push(path)
      else if (!entry.isDirectory()) throw new Error(`${join(root, path)} is neither a file nor a folder: this is not copied`)
      else {
        folders.push(path)
        if (!COPIED_EMPTY.includes(path)) await walk(path)
      }
    }
  }
  await walk('')
  return { files, folders: [...folders, 'pg_wal/archive_status', 'pg_wal/summaries'] }
}

/** How many bytes a copy of this cluster will have, as it stands: the log comes on top. */
export async function clusterBytes(root: string): Promise<number> {
  const { files } = await listCluster(root)
  let bytes = 0
  for (const path of files) bytes += (await stat(join(root, path)).catch(orGone({ size: 0 }))).size
  return bytes
}

type Where = Pick<ClusterCopy, 'from' | 'to' | 'owner' | 'onBytes'> & { copy: CopyFile }

export async function copyFiles(paths: readonly string[], { from, to, owner, copy, onBytes }: Where): Promise<CopiedFile[]> {
  const copied: CopiedFile[] = []
  await severalAtOnce(paths, async (path) => {
    const file = await copy(join(from, path), join(to, path))
    if (!file) return
    if (owner) await chown(join(to, path), owner.uid, owner.gid)
    copied.push({ path, ...file })
    onBytes?.(file.bytes)
  })
  return copied
}

/** Works on a few at once; after the first that fails no other is begun, and none is under way any more when this ends. */
export async function severalAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values()
  let failed = false
  const worker = async () => {
    for (const item of rest) {
      if (failed) return
      await work(item).catch((error) => {
        failed = true
        throw error
      })
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker))
  for (const one of ended) if (one.status === 'rejected') throw one.reason
}

async function copyControl({ from, to, owner, copy }: Where): Promise<CopiedFile> {
  let sha256 = ''
  for (;;) {
    const file = await copy(join(from, CONTROL), join(to, CONTROL))
    if (!file) throw new Error(`${join(from, CONTROL)} is not there`)
    if (owner) await chown(join(to, CONTROL), owner.uid, owner.gid)
    if (file.sha256 === sha256) return { path: CONTROL, ...file }
    sha256 = file.sha256
  }
}

/** The file's bytes as they were read, written over what was there. */
export const copyFile: CopyFile = (from, to) =>
  readThrough(from, async (chunks) => {
    const target = await open(to, 'w', 0o600)
    try {
      for await (const chunk of chunks) await target.writeFile(chunk)
    } finally {
      await target.close()
    }
  })

/** What a file holds now. Undefined: it is not there. */
export const readHash = (path: string): ReturnType<CopyFile> =>
  readThrough(path, async (chunks) => {
    for await (const _ of chunks);
  })

async function readThrough(path: string, take: (chunks: AsyncIterable<Buffer>) => Promise<void>): ReturnType<CopyFile> {
  const source = await open(path, 'r').catch(orGone(undefined))
  if (!source) return undefined
  const hash = createHash('sha256')
  let bytes = 0
  async function* chunks(file: FileHandle) {
    const buffer = Buffer.allocUnsafe(CHUNK)
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK, null)
      if (bytesRead === 0) return
      const chunk = buffer.subarray(0, bytesRead)
      hash.update(chunk)
      bytes += bytesRead
      yield chunk
    }
  }
  try {
    await take(chunks(source))
    return { bytes, sha256: hash.digest('hex') }
  } finally {
    await source.close()
  }
}

/** Writes a file anew, to the disk, its folder's entry too. */
export async function putFile(
  target: string,
  { text, path, owner }: { text: string; path: string; owner?: Owner | undefined },
): Promise<CopiedFile> {
  const file = await open(target, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  if (owner) await chown(target, owner.uid, owner.gid)
  await syncFolder(dirname(target))
  return { path, bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') }
}

export async function makeFolder(path: string, owner?: Owner): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  if (owner) await chown(path, owner.uid, owner.gid)
}

/** These files and folders below `root` are on the disk: by one call where there is one, for one by one 2,000 files took a busy disk 25 s. */
export async function flush(root: string, paths: readonly string[]): Promise<void> {
  if (process.platform === 'linux') {
    const isDone = await promisify(execFile)('sync', ['-f', root]).then(
      () => true,
      () => false,
    )
    if (isDone) return
  }
  await severalAtOnce(paths, (path) => syncFolder(join(root, path)))
}

/** What was made, renamed or deleted in a folder is on the disk. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

const orGone =
  <T>(instead: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT') return instead
    throw error
  }
