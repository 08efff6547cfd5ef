import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DATABASES } from '../../src/platform/config.ts'
import { temporaryFolder } from '../support/folder.ts'
import { findPrevious, NotToBeHad, parts } from './previous.ts'

const SLOW = 120_000
const dir = temporaryFolder('previous')
afterAll(() => rmSync(dir, { recursive: true, force: true }))

let root: string
let n = 0
const git = (...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { cwd: root, encoding: 'utf8' }).trim()
const put = (path: string, text = '') => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}
const commit = (title: string) => {
  git('add', '--all')
  git('commit', '--quiet', '--allow-empty', '--message', title)
}
const found = (from?: string) => /\((.*)\)$/.exec(findPrevious(root, from).title)?.[1]

/** Made once, and copied for each test: git starts a process for every word. */
const model = join(dir, 'model')
beforeAll(() => {
  root = model
  mkdirSync(root)
  git('init', '--quiet', '--initial-branch', 'main')
  for (const name of DATABASES) put(`src/${name}/migrations/0001_first.sql`)
  commit('the first')
  commit('before the migration')
  put('src/orders/migrations/0002_more.sql')
  commit('the migration')
  commit('after it')
}, SLOW)
beforeEach(() => {
  root = join(dir, `repository-${++n}`)
  cpSync(model, root, { recursive: true })
})

describe('the version before', { timeout: SLOW }, () => {
  it('is the newest commit with fewer migrations, where nothing was released', () => {
    expect(found()).toBe('before the migration')
    put('src/payment/migrations/README.md', 'no migration')
    commit('a text beside them')
    expect(found()).toBe('before the migration')
    put('src/payment/migrations/0002_not_committed.sql')
    expect(found()).toBe('a text beside them')
  })

  it('is the last release, unless that is this very commit', () => {
    git('tag', 'v0.9.0', 'HEAD~3')
    git('tag', 'v0.10.0', 'HEAD~1')
    git('tag', 'v0.11.0-trial', 'HEAD~1')
    git('tag', 'v1.0.0', 'HEAD')
    expect(found()).toBe('the migration')
    git('tag', '--delete', 'v0.10.0')
    expect(found()).toBe('the first')
  })

  it('is what was asked for', () => {
    expect(found('HEAD~1')).toBe('the migration')
    expect(() => found('nowhere')).toThrow(NotToBeHad)
  })

  it('can not be had without history', () => {
    const clone = join(dir, `clone-${n}`)
    execFileSync('git', ['clone', '--quiet', '--depth', '1', `file://${root}`, clone])
    expect(() => findPrevious(clone)).toThrow(/shallow/)
    rmSync(join(clone, '.git'), { recursive: true })
    expect(() => findPrevious(clone)).toThrow(/not a git repository/)
    cpSync(clone, join(root, 'unpacked'), { recursive: true })
    expect(() => findPrevious(join(root, 'unpacked'))).toThrow(/no git repository of its own/)
  })
})

describe('lock files', () => {
  const lock = (packages: object) => JSON.stringify({ packages: { '': { name: 'comanda', version: '0.1.0' }, ...packages } })
  const one = { version: '1.0.0', integrity: 'sha512-one' }

  it('install the same when their packages are the same, wherever those come from', () => {
    const other = JSON.stringify({ packages: { '': { version: '0.2.0' }, one: { resolved: 'https://example.org/one.tgz', ...one } } })
    expect(parts(lock({ one }))).toBe(parts(other))
    expect(parts(lock({ one }))).not.toBe(parts(lock({ one: { ...one, integrity: 'sha512-two' } })))
    expect(parts(lock({ one }))).not.toBe(parts(lock({ one, two: one })))
  })
})
