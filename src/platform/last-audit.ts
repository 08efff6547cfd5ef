import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The result of the last audit on this data folder, left by `comanda audit` for the metrics. */
export type LastAudit = { ok: boolean; endedAt: string; violations: Record<string, number> }

const fileIn = (dataDir: string) => join(dataDir, 'last-audit.json')

/** @throws when the folder can't be written. */
export function writeLastAudit(dataDir: string, audit: LastAudit): void {
  const draft = `${fileIn(dataDir)}.${process.pid}`
  writeFileSync(draft, JSON.stringify(audit))
  renameSync(draft, fileIn(dataDir))
}

/** Undefined: none is known. */
export function readLastAudit(dataDir: string): LastAudit | undefined {
  try {
    return JSON.parse(readFileSync(fileIn(dataDir), 'utf8')) as LastAudit
  } catch {
    return undefined
  }
}
