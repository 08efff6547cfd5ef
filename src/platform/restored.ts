import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { putFile, syncFolder } from './cluster-copy.ts'

/**
 * The mark that a restore leaves in the data folder. `copying`: what lies there is not whole, nothing may start on it. `closed`: it is whole, and older than
 * the payment provider's book, so no orders are taken until a person has reconciled the two.
 */
export type RestoredMark = { state: 'copying' | 'closed'; backup: string; backup_ended_at: string; restored_at: string }

const NAME = 'restored.json'

/** Undefined: nothing was restored here, or all is said and done. @throws when it is there and can't be read: better no start than a wrong one. */
export async function readRestoredMark(dataDir: string): Promise<RestoredMark | undefined> {
  const text = await readFile(join(dataDir, NAME), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : (JSON.parse(text) as RestoredMark)
}

export async function writeRestoredMark(dataDir: string, mark: RestoredMark): Promise<void> {
  await putFile(join(dataDir, NAME), { text: JSON.stringify(mark), path: NAME })
}

export async function removeRestoredMark(dataDir: string): Promise<void> {
  await rm(join(dataDir, NAME), { force: true })
  await syncFolder(dataDir)
}
