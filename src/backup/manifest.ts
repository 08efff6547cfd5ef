import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CopiedFile, putFile, readHash, severalAtOnce } from '../platform/cluster-copy.ts'

/** What a finished backup says of itself, written last of all: where it is missing there is no backup. */
export type Manifest = {
  format: 1
  comanda: string
  /** Major version: only the same can read the files. */
  postgres: string
  databases: string[]
  began_at: string
  /** What was committed until then is in it. */
  ended_at: string
  bytes: number
  folders: string[]
  /** By path in the backup. */
  files: CopiedFile[]
}

export class BackupError extends Error {
  override name = 'BackupError'
}

export const MANIFEST = 'backup.json'
/** There while a backup is written, and after one that died. */
export const UNFINISHED = 'backup.unfinished'
/** Where the copy of PostgreSQL's folder lies in the backup, and the password that opens it. */
export const CLUSTER = 'cluster'
export const PASSWORD = 'postgres.password'
const SHOWN = 5

const checksum = (manifest: Manifest) => createHash('sha256').update(JSON.stringify(manifest)).digest('hex')

export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const text = JSON.stringify({ ...manifest, sha256: checksum(manifest) }, null, 1)
  await putFile(join(folder, MANIFEST), { text, path: MANIFEST })
}

/** @throws {BackupError} when this is no finished backup, or its manifest was changed. */
export async function readManifest(folder: string): Promise<Manifest> {
  const unfinished = await readIn(folder, UNFINISHED)
  if (unfinished !== undefined)
    throw new BackupError(`${folder} is a backup that was never finished (${unfinished.trim()}): it can't be restored`)
  const text = await readIn(folder, MANIFEST)
  if (text === undefined) throw new BackupError(`${folder} is no backup: it has no ${MANIFEST}`)
  let found: Manifest & { sha256?: string }
  try {
    found = JSON.parse(text)
  } catch {
    throw new BackupError(`${join(folder, MANIFEST)} is damaged: it is no JSON`)
  }
  if (found.format !== 1)
    throw new BackupError(`${folder} was made by another version of Comanda (${found.comanda}), in a format that this one does not know`)
  const { sha256, ...manifest } = found
  if (sha256 !== checksum(manifest)) throw new BackupError(`${join(folder, MANIFEST)} is damaged: its checksum is another`)
  return manifest
}

/** Reads every file of a backup. @throws {BackupError} that names what is missing or damaged. */
export async function verifyFiles(folder: string, manifest: Manifest, onBytes?: (bytes: number) => void): Promise<void> {
  const problems: string[] = []
  await severalAtOnce(manifest.files, async ({ path, bytes, sha256 }) => {
    const found = await readHash(join(folder, path))
    if (!found) problems.push(`${path} is missing`)
    else if (found.bytes !== bytes) problems.push(`${path} has ${found.bytes} bytes instead of ${bytes}`)
    else if (found.sha256 !== sha256) problems.push(`${path} has other contents`)
    onBytes?.(bytes)
  })
  if (problems.length === 0) return
  const more = problems.length > SHOWN ? `, and ${problems.length - SHOWN} more` : ''
  throw new BackupError(`${folder} is damaged: ${problems.slice(0, SHOWN).join('; ')}${more}`)
}

async function readIn(folder: string, name: string): Promise<string | undefined> {
  return readFile(join(folder, name), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new BackupError(`${join(folder, name)} can't be read: ${error.message}`)
  })
}
