import { FOLDERS } from './lock-file.ts'
import { npm } from './npm.ts'

/**
 * `npm run advisories`: known holes in what we install, from the registry. One that is high or critical fails. A registry that can't be asked does not:
 * that says nothing about our packages, but it is said loudly.
 */

type Counts = Record<'low' | 'moderate' | 'high' | 'critical', number>
type Finding = { name: string; severity: string; via: (string | { title?: string; url?: string })[] }
export type Verdict = { outcome: 'clean' | 'holes' | 'skipped' | 'broken'; lines: string[] }

/** @param output what `npm audit --json` printed */
export function judge(output: string, stderr: string): Verdict {
  const answer = parsed(output)
  const counts = answer?.metadata?.vulnerabilities
  if (!counts) {
    const why = answer?.message ?? answer?.error?.summary ?? stderr.trim().split('\n')[0] ?? ''
    // Our own fault, and no network's: a lock file that is missing or does not fit.
    if (/^E(NOLOCK|LOCKVERIFY|USAGE|JSONPARSE|NOENT)$/.test(answer?.error?.code ?? '')) return { outcome: 'broken', lines: [why] }
    return { outcome: 'skipped', lines: [why || 'npm did not end in time'] }
  }
  const bad = Object.values(answer?.vulnerabilities ?? {}).filter(({ severity }) => severity === 'high' || severity === 'critical')
  const told = `${counts.critical} critical, ${counts.high} high, ${counts.moderate} moderate, ${counts.low} low`
  if (counts.critical + counts.high === 0) return { outcome: 'clean', lines: [told] }
  return { outcome: 'holes', lines: [told, ...bad.map(({ name, severity, via }) => `${name}: ${severity}: ${via.map(cause).join('; ')}`)] }
}

type Answer = {
  message?: string
  error?: { code?: string; summary?: string }
  metadata?: { vulnerabilities?: Counts }
  vulnerabilities?: Record<string, Finding>
}

const cause = (via: Finding['via'][number]) => (typeof via === 'string' ? `through ${via}` : `${via.title ?? ''} ${via.url ?? ''}`.trim())

function parsed(output: string): Answer | undefined {
  try {
    return JSON.parse(output)
  } catch {
    return undefined
  }
}

const WORDS: Record<Verdict['outcome'], string> = {
  clean: '✓ no high or critical advisory',
  holes: '✗ FAILED: known holes',
  skipped: '! SKIPPED: the registry could not be asked for advisories',
  broken: '✗ FAILED: npm could not look',
}

/** The advisories on what the lock file of this folder pins. */
export function ask(folder: string): Verdict {
  const { stdout, stderr } = npm(['audit', '--json', '--package-lock-only', '--fetch-retries=1', '--fetch-timeout=30000'], folder)
  return judge(stdout, stderr)
}

if (import.meta.main) {
  const folders = process.argv.length > 2 ? process.argv.slice(2) : FOLDERS
  for (const folder of folders) {
    const { outcome, lines } = ask(folder)
    process.stdout.write(`${WORDS[outcome]} (${folder}): ${lines.join('\n    ')}\n`)
    if (outcome === 'holes' || outcome === 'broken') process.exitCode = 1
  }
}
