import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * A new folder for a test's data. Open to look into, so that as root the database's own user reaches it and its cluster
 * goes away with the folder (else it would lie in /var/lib/comanda).
 */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `comanda-${name}-`))
  chmodSync(folder, 0o755)
  return folder
}
