import { mkdirSync, writeFileSync } from 'node:fs'
import { FOLDERS, type Locked, lockedIn } from './lock-file.ts'
import { npm } from './npm.ts'

/**
 * `npm run sbom [folder]`: a list of all parts (CycloneDX) of each of our packages, from its lock file, and nothing that npm installs is missing in it.
 * It is made when it is wanted, by a release for example: it has the time in it, and would never be fresh in the repository.
 */

export type Bom = {
  bomFormat: string
  specVersion: string
  components: { name: string; version: string; purl: string; hashes?: unknown[] }[]
}

/** @throws when npm can't make it. Needs nothing installed and no network. */
export function bomOf(folder: string): Bom {
  const { code, stdout, stderr } = npm(['sbom', '--sbom-format=cyclonedx', '--package-lock-only'], folder)
  if (code !== 0) throw new Error(`npm could not list the parts of ${folder}: ${stderr.trim()}`)
  return JSON.parse(stdout) as Bom
}

/** Packages that only one of them has: the lock file is what is installed. */
export function differences({ components }: Pick<Bom, 'components'>, locked: readonly Locked[]): string[] {
  const listed = new Set(components.map(({ name, version }) => `${name}@${version}`))
  const installed = new Set(locked.map(({ name, version }) => `${name}@${version}`))
  return [
    ...[...installed].filter((one) => !listed.has(one)).map((one) => `${one} is not in the list`),
    ...[...listed].filter((one) => !installed.has(one)).map((one) => `${one} is in the list and not in the lock file`),
  ]
}

function writeAll(to: string): void {
  mkdirSync(to, { recursive: true })
  for (const folder of FOLDERS) {
    const bom = bomOf(folder)
    const wrong = differences(bom, lockedIn(folder))
    const file = `${to}/${folder === '.' ? 'comanda' : `comanda-${folder.split('/').at(-1)}`}.cdx.json`
    writeFileSync(file, `${JSON.stringify(bom, null, 2)}\n`)
    process.stdout.write(`${wrong.length === 0 ? '✓' : '✗'} ${file}: ${bom.components.length} packages, CycloneDX ${bom.specVersion}\n`)
    for (const one of wrong) process.stdout.write(`  ${one}\n`)
    if (wrong.length > 0) process.exitCode = 1
  }
}

if (import.meta.main) writeAll(process.argv[2] ?? 'sbom')
