import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isAfter, release } from '../../bin/release/changelog.ts'
import { temporaryFolder } from '../support/folder.ts'

const program = resolve('bin/release/release.ts')
const { version: now } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
const [major = 0, minor = 0] = now.split('.').map(Number)
const next = `${major}.${minor + 1}.0`

let folder = ''
const someone = { GIT_AUTHOR_NAME: 'A', GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'A', GIT_COMMITTER_EMAIL: 'a@b' }
const env = { ...process.env, ...someone, GIT_CONFIG_GLOBAL: '/dev/null', npm_config_update_notifier: 'false' }
const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, encoding: 'utf8', env }).trim()
const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { cwd: folder, env, encoding: 'utf8' })
  return { code: status, said: stdout + stderr }
}
const json = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'))

/** A repository with our package and changelog, whose checks end as they are told. */
beforeEach(() => {
  folder = temporaryFolder('release')
  git('init', '--quiet', '--initial-branch=main')
  copyFileSync('package-lock.json', join(folder, 'package-lock.json'))
  writeFileSync(join(folder, 'CHANGELOG.md'), '# Changelog\n\n## Unreleased\n\n- It can fly.\n\n## 0.0.1 (2026-01-01)\n\n- It walks.\n')
  setChecks({ test: 'node -e 0' })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function setChecks({ test }: { test: string }): void {
  const whole = JSON.parse(readFileSync('package.json', 'utf8'))
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ ...whole, scripts: { check: 'node -e 0', advisories: 'node -e 0', test } }, null, 2),
  )
  git('add', '.')
  git('commit', '--quiet', '--message', 'All there is')
}

describe('npm run release', () => {
  it('moves the notes under the version, sets it everywhere, commits and tags', () => {
    const lock = json('package-lock.json')
    const { code, said } = run(next)
    expect([code, said]).toEqual([0, expect.stringContaining(`Tagged v${next}`)])
    const today = /## [\d.]+ \((\d{4}-\d\d-\d\d)\)/.exec(readFileSync(join(folder, 'CHANGELOG.md'), 'utf8'))?.[1]
    expect(readFileSync(join(folder, 'CHANGELOG.md'), 'utf8')).toBe(
      `# Changelog\n\n## Unreleased\n\n## ${next} (${today})\n\n- It can fly.\n\n## 0.0.1 (2026-01-01)\n\n- It walks.\n`,
    )
    expect(json('package.json').version).toBe(next)
    expect(json('package-lock.json')).toEqual({
      ...lock,
      version: next,
      packages: { ...lock.packages, '': { ...lock.packages[''], version: next } },
    })
    expect(git('log', '-1', '--format=%s')).toBe(`Release ${next}`)
    expect(git('status', '--porcelain')).toBe('')
    expect(git('cat-file', '-t', `v${next}`)).toBe('tag')
    expect(git('tag', '--list', '--format=%(contents)', `v${next}`)).toBe(`Comanda ${next}\n\n- It can fly.`)
    expect(git('rev-parse', `v${next}^{commit}`)).toBe(git('rev-parse', 'HEAD'))
    // A second time: there is nothing new, and the version is there.
    expect(run(next)).toEqual({ code: 1, said: expect.stringContaining(`there is v${next} already`) })
  }, 300_000)

  it('changes nothing in a dry run', () => {
    const { code, said } = run(next, '--dry-run')
    expect([code, said]).toEqual([0, expect.stringMatching(/- It can fly\.[\s\S]*nothing has changed/)])
    expect([git('status', '--porcelain'), git('tag'), json('package.json').version]).toEqual(['', '', now])
  }, 300_000)

  it('changes nothing when a check fails, or changes a file', () => {
    setChecks({ test: 'node -e "process.exit(1)"' })
    expect(run(next)).toEqual({ code: 1, said: expect.stringContaining('npm run test failed: nothing is released') })
    expect([git('status', '--porcelain'), git('tag')]).toEqual(['', ''])
    setChecks({ test: "node -e \"fs.writeFileSync('new', '')\"" })
    expect(run(next)).toEqual({ code: 1, said: expect.stringContaining('something has changed') })
    expect(git('tag')).toBe('')
  }, 300_000)

  it('leaves nothing half done when the commit is refused', () => {
    writeFileSync(join(folder, '.git', 'hooks', 'pre-commit'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
    expect(run(next).code).toBe(1)
    expect([git('status', '--porcelain'), git('tag'), json('package.json').version]).toEqual(['', '', now])
  }, 300_000)

  it('is refused elsewhere than on a clean main, and for what is no later version', () => {
    writeFileSync(join(folder, 'left-over'), '')
    git('checkout', '--quiet', '-b', 'work')
    expect(run(next)).toEqual({ code: 1, said: expect.stringMatching(/this is work[\s\S]*not committed/) })
    rmSync(join(folder, 'left-over'))
    git('checkout', '--quiet', 'main')
    for (const no of ['', 'v1.0.0', '1.0', '01.0.0', '1.0.0-beta']) expect(run(no).said).toContain('is no version')
    expect(run('0.0.1').said).toContain(`package.json is at ${now} already`)
    expect(run(next, '--force').said).toContain('there is no --force')
  }, 300_000)
})

describe('the changelog', () => {
  it('is released as it stands, and has its place for what is to come', () => {
    const changelog = readFileSync('CHANGELOG.md', 'utf8')
    expect(changelog).toContain('\n## Unreleased\n')
    const headings = [...changelog.matchAll(/^## (.+)$/gm)].map(([, heading = '']) => heading)
    for (const heading of headings.slice(1)) expect(heading).toMatch(/^\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)$/)
  })

  it('without anything new is no release', () => {
    const at = { version: '1.0.0', date: '2026-01-01' }
    expect(() => release('# Changelog\n\n## Unreleased\n\n## 0.9.0 (2025-01-01)\n\n- Old.\n', at)).toThrow('nothing to release')
    expect(() => release('# Changelog\n', at)).toThrow('no heading')
  })

  it.each([
    ['0.10.0', '0.9.9', true],
    ['1.0.0', '0.99.0', true],
    ['0.2.0', '0.2.0', false],
    ['0.2.0', '0.2.1', false],
    ['0.9.9', '1.0.0', false],
  ])('%s after %s: %s', (a, b, after) => expect(isAfter(a, b)).toBe(after))
})
