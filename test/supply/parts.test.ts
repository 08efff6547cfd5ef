import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { reasons } from '../../bin/docs/licences.ts'
import { EXCEPTIONS, isPermissive, problemsOfLicences } from '../../bin/supply/licences.ts'
import { FOLDERS, type Locked, lockedIn, problemsOfLock } from '../../bin/supply/lock-file.ts'
import { bomOf, differences } from '../../bin/supply/sbom.ts'

const one: Locked = {
  ...{ name: 'x', version: '1.0.0', licence: 'MIT', isDev: false, isBundled: false, from: undefined, path: 'node_modules/x' },
  integrity: `sha512-${'A'.repeat(86)}==`,
}

describe.each(FOLDERS)('the packages of %s', (folder) => {
  const locked = lockedIn(folder)

  it('are pinned by version and hash, and come from the registry and nowhere else', () => {
    expect(locked.length).toBeGreaterThan(100)
    expect(problemsOfLock(locked)).toEqual([])
  })

  it('have licences that ask for no more than to be named', () => expect(problemsOfLicences(locked)).toEqual([]))

  it('say in themselves what the lock file says of their licence, as far as they are installed', () => {
    const installed = locked.flatMap(({ path, licence }) => {
      const file = join(folder, path, 'package.json')
      return existsSync(file) ? [{ path, licence, says: JSON.parse(readFileSync(file, 'utf8')).license }] : []
    })
    if (folder === '.') expect(installed.length).toBeGreaterThan(100)
    expect(installed.filter(({ licence, says }) => licence !== says)).toEqual([])
  })

  it('are all in the list of parts, with hashes', () => {
    const bom = bomOf(folder)
    expect(bom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: expect.stringMatching(/^1\.\d$/) })
    expect(differences(bom, locked)).toEqual([])
    const hashed = new Set(bom.components.filter(({ hashes }) => hashes?.length).map(({ name, version }) => `${name}@${version}`))
    expect(locked.filter(({ name, version, integrity }) => integrity && !hashed.has(`${name}@${version}`))).toEqual([])
  }, 300_000)
})

it.each([
  [{ integrity: undefined }, 'node_modules/x has no sha512'],
  [{ integrity: 'sha1-abc=' }, 'node_modules/x has no sha512'],
  [{ from: 'https://mirror.internal/x.tgz' }, 'node_modules/x comes from https://mirror.internal/x.tgz'],
  [{ from: 'git+ssh://git@host/x.git' }, 'node_modules/x comes from git+ssh://git@host/x.git'],
])('a lock file with %j is found out', (change, problem) => {
  expect(problemsOfLock([one])).toEqual([])
  expect(problemsOfLock([{ ...one, ...change }])).toEqual([problem])
})

it('a package that is missing in the list of parts is found out, and one too many', () => {
  const part = (name: string) => ({ name, version: '1.0.0', purl: '' })
  expect(differences({ components: [part('x')] }, [one])).toEqual([])
  expect(differences({ components: [part('y')] }, [one])).toEqual([
    'x@1.0.0 is not in the list',
    'y@1.0.0 is in the list and not in the lock file',
  ])
})

describe('a licence', () => {
  it.each(['MIT', '(MIT)', 'MIT OR GPL-3.0-or-later', '(MIT AND Zlib)', 'ISC AND (GPL-3.0-only OR MIT)'])('%s is let in', (licence) =>
    expect(isPermissive(licence)).toBe(true),
  )
  it.each([
    'GPL-3.0-only',
    'MIT AND GPL-3.0-only',
    'UNLICENSED',
    'SEE LICENSE IN x',
    '',
    '(MIT',
    'MIT)',
    'MIT MIT',
    'AGPL-3.0-only OR SSPL-1.0',
  ])('%j is not', (licence) => expect(isPermissive(licence)).toBe(false))
  it('that is an exception is one for development only', () => {
    const mpl = { ...one, name: 'lightningcss', licence: 'MPL-2.0' }
    expect(problemsOfLicences([mpl])).toEqual(['node_modules/x: MPL-2.0'])
    expect(problemsOfLicences([{ ...mpl, isDev: true }])).toEqual([])
    expect(problemsOfLicences([{ ...one, licence: undefined }])).toEqual(['node_modules/x: no licence'])
  })
  it('is no exception that nobody needs', () => {
    const all = FOLDERS.flatMap(lockedIn)
    expect(EXCEPTIONS.filter(({ packages, licence }) => !all.some((two) => packages.test(two.name) && two.licence === licence))).toEqual([])
  })
})

it('every runtime dependency has its reason in decision 0008, and no other', () => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> }
  const told = reasons(readFileSync('docs/decisions/0008-runtime-dependencies.md', 'utf8'))
  expect([...told.keys()].sort()).toEqual(Object.keys(dependencies).sort())
  expect([...told.values()].filter((reason) => reason.length < 10)).toEqual([])
})
