import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { DATABASES } from '../../src/platform/config.ts'

/** The version before this one, out of git's history: which it is, and its sources in a folder of their own, ready to run. */

export type Previous = { commit: string; title: string }

/** What is needed for it can't be had here: no git, no history, no registry. */
export class NotToBeHad extends Error {}

const MIGRATION = /\/migrations\/\d{4}_.+\.sql$/

/**
 * The last release before this commit; without one, the newest commit that has fewer migrations than there are now.
 *
 * @param from a git reference, which goes before all that.
 * @throws {NotToBeHad} where history does not tell.
 */
export function findPrevious(root: string, from?: string): Previous {
  const git = gitIn(root)
  // An archive unpacked inside another project's repository has no history of its own.
  if (git('rev-parse', '--show-prefix') !== '') throw new NotToBeHad('this folder is no git repository of its own')
  const commit = from === undefined ? (lastRelease(git) ?? lastWithFewerMigrations(root, git)) : git('rev-parse', `${from}^{commit}`)
  return { commit, title: git('log', '-1', '--format=%h of %cs (%s)', commit) }
}

/** How many migrations a version has. @param commit what is on the disk, if not given. */
export function countMigrations(root: string, commit?: string): number {
  if (commit) return gitIn(root)('ls-tree', '-r', '--name-only', commit, 'src').split('\n').filter(isMigration).length
  return DATABASES.flatMap((name) => readdirSync(join(root, 'src', name, 'migrations')).map((file) => `/migrations/${file}`)).filter(
    isMigration,
  ).length
}

const isMigration = (path: string) => MIGRATION.test(path)

type Git = (...args: string[]) => string

/** @throws {NotToBeHad} with git's own words. */
function gitIn(root: string): Git {
  return (...args) => {
    try {
      return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
    } catch (error) {
      const { stderr, message } = error as { stderr?: string; message: string }
      throw new NotToBeHad(`git ${args[0]}: ${stderr?.trim().split('\n')[0] || message}`)
    }
  }
}

function lastRelease(git: Git): string | undefined {
  const head = git('rev-parse', 'HEAD')
  const tags = git('tag', '--merged', 'HEAD', '--list', 'v*', '--sort=-version:refname').split('\n').filter(isRelease)
  return tags.map((tag) => git('rev-parse', `${tag}^{commit}`)).find((commit) => commit !== head)
}

const isRelease = (tag: string) => /^v\d+\.\d+\.\d+$/.test(tag)

function lastWithFewerMigrations(root: string, git: Git): string {
  const now = countMigrations(root)
  if (countMigrations(root, 'HEAD') < now) return git('rev-parse', 'HEAD')
  const changes = git('log', '--first-parent', '--format=%H', '--', 'src/*/migrations/*.sql').split('\n').filter(Boolean)
  for (const change of changes) {
    const [, before] = git('rev-list', '--parents', '-n', '1', change).split(' ')
    if (before && countMigrations(root, before) < now) return before
  }
  throw new NotToBeHad('history does not reach back to a version with fewer migrations (a shallow clone?)')
}

/** Where a version lies, and the same packages as here if it asks for those. */
export function checkOut(root: string, { commit }: Previous, dir: string): string {
  const sources = join(dir, 'previous')
  mkdirSync(sources)
  const archive = join(dir, 'previous.tar')
  gitIn(root)('archive', '--output', archive, commit)
  execFileSync('tar', ['-xf', archive, '-C', sources])
  const [theirs = '', ours = ''] = [sources, root].map((at) => readFileSync(join(at, 'package-lock.json'), 'utf8'))
  if (parts(theirs) === parts(ours)) symlinkSync(join(root, 'node_modules'), join(sources, 'node_modules'))
  else install(sources)
  return sources
}

type Lock = { packages: Record<string, { version?: string; integrity?: string }> }

/** What a lock file has installed; from where it came says nothing of what it is. */
export function parts(lock: string): string {
  const all = Object.entries((JSON.parse(lock) as Lock).packages).filter(([path]) => path !== '')
  return all
    .map(([path, { version, integrity }]) => `${path} ${version} ${integrity}`)
    .sort()
    .join('\n')
}

function install(sources: string): void {
  try {
    execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: sources, stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { stderr, message } = error as { stderr?: Buffer; message: string }
    throw new NotToBeHad(
      `the packages of the version before could not be installed: ${stderr?.toString().trim().split('\n')[0] || message}`,
    )
  }
}
