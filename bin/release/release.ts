import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { isAfter, release } from './changelog.ts'

/**
 * `npm run release -- 0.2.0 [--dry-run]`: from a clean main on which checks and tests have just passed, a commit with the version and its notes, and a tag.
 * Pushes nothing: that can't be taken back, and is left to a person. A dry run looks and tells, runs no checks and changes nothing.
 */

const CHECKS = ['check', 'test', 'advisories']
const FILES = ['CHANGELOG.md', 'package.json', 'package-lock.json']

class Refusal extends Error {}

const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim()
const say = (line: string) => process.stdout.write(`${line}\n`)

/** What is against a release of this version, all at once. */
function problemsOf(version: string): string[] {
  if (!/^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}$/.test(version)) return [`"${version}" is no version: three numbers with dots, such as 0.2.0`]
  const branch = git('branch', '--show-current')
  const tags = git('tag', '--list', 'v*')
    .split('\n')
    .filter((tag) => /^v\d+\.\d+\.\d+$/.test(tag))
  const newer = tags.filter((tag) => !isAfter(version, tag.slice(1)))
  const { version: now } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  return [
    ...(branch === 'main' ? [] : [`this is ${branch || 'no branch'}: releases are made from main`]),
    ...(git('status', '--porcelain') === '' ? [] : ['there are changes that are not committed']),
    ...(newer.length > 0 ? [`there is ${newer.at(-1)} already`] : []),
    ...(isAfter(now, version) ? [`package.json is at ${now} already`] : []),
  ]
}

/** Each to its end, on exactly what is released. */
function runChecks(): void {
  const head = git('rev-parse', 'HEAD')
  for (const check of CHECKS) {
    say(`npm run ${check}`)
    if (spawnSync('npm', ['run', '--silent', check], { stdio: 'inherit' }).status !== 0)
      throw new Refusal(`npm run ${check} failed: nothing is released`)
  }
  if (git('rev-parse', 'HEAD') !== head || git('status', '--porcelain') !== '')
    throw new Refusal('something has changed while the checks ran')
}

function commit(version: string, { changelog, notes }: { changelog: string; notes: string }): void {
  try {
    writeFileSync('CHANGELOG.md', changelog)
    execFileSync('npm', ['version', version, '--no-git-tag-version', '--allow-same-version', '--ignore-scripts'], { stdio: 'pipe' })
    git('add', ...FILES)
    git('commit', '--quiet', '--message', `Release ${version}`)
  } catch (error) {
    // The tree was clean: what is changed now is ours.
    git('checkout', '--quiet', 'HEAD', '--', ...FILES)
    throw error
  }
  // As they are: git would take a line that begins with # for a comment.
  git('tag', '--annotate', '--cleanup=verbatim', '--message', `Comanda ${version}\n\n${notes}\n`, `v${version}`)
}

function main(args: readonly string[]): void {
  const [version = ''] = args.filter((arg) => !arg.startsWith('--'))
  const isDry = args.includes('--dry-run')
  const unknown = args.filter((arg) => arg.startsWith('--') && arg !== '--dry-run')
  const problems = [...unknown.map((option) => `there is no ${option}`), ...problemsOf(version)]
  if (problems.length > 0) throw new Refusal(problems.join('; '))
  const date = new Date().toISOString().slice(0, 10)
  const next = release(readFileSync('CHANGELOG.md', 'utf8'), { version, date })
  say(`Comanda ${version} (${date})\n\n${next.notes}\n`)
  if (isDry) {
    say(
      `A dry run: nothing was checked, nothing has changed. It would run ${CHECKS.join(', ')}, commit ${FILES.join(', ')} and tag v${version}.`,
    )
    return
  }
  runChecks()
  commit(version, next)
  say(
    `Tagged v${version}. What is left is yours:\n  git push --follow-tags\n  npm run sbom      # the list of all parts, to go with the image`,
  )
}

try {
  main(process.argv.slice(2))
} catch (error) {
  const { message, stderr } = error as Error & { stderr?: string | Buffer }
  process.stderr.write(`release: ${message}${error instanceof Refusal ? '' : `\n${stderr ?? ''}`}\n`)
  process.exitCode = 1
}
