import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { SCOPES } from '../../src/platform/api-key.ts'
import { isNameOfATest, testsIn } from './named-tests.ts'

const FILE = 'docs/SECURITY.md'
const text = readFileSync(FILE, 'utf8')
const cellsOf = (line: string) => line.split('|').map((cell) => cell.trim())

const items = text.split('\n').flatMap((line) => {
  const [, id = '', , how = '', proof = ''] = cellsOf(line)
  return /^S\d\d$/.test(id) ? { id, how, proof, tests: testsIn(proof) } : []
})

describe(FILE, () => {
  it('has the items S01 to S34, each once, in order', () => {
    expect(items.map(({ id }) => id)).toEqual(Array.from({ length: 34 }, (_, i) => `S${String(i + 1).padStart(2, '0')}`))
  })

  it.each(items)('$id has a test that exists, or says why it has none', ({ how, proof, tests }) => {
    expect(tests.length, proof).toBe((proof.match(/`test\//g) ?? []).length)
    if (tests.length === 0) expect(how).toMatch(/^Not needed(:| in ).+/)
    for (const { file, name } of tests) expect(isNameOfATest(readFileSync(file, 'utf8'), name), `${file}: ${name}`).toBe(true)
  })

  it('has every scope, and leads nowhere that does not exist', () => {
    const told = [...text.matchAll(/^\| `([\w:]+)` \|/gm)].map(([, scope]) => scope)
    expect(told).toEqual(Object.keys(SCOPES))
    for (const [, path = ''] of text.matchAll(/\]\(([^)#:]+)\)/g)) expect(existsSync(join(dirname(FILE), path)), path).toBe(true)
  })
})

it('no secret stands in the repository', () => {
  const files = execFileSync('git', ['ls-files'], { encoding: 'utf8' })
    .split('\n')
    .filter((name) => existsSync(name))
  const secret = /cmd_[0-9a-f]{16}_[\w-]{43}|-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bsk_live_\w{16}|\bghp_\w{36}\b/
  expect(files.filter((name) => secret.test(readFileSync(name, 'utf8')))).toEqual([])
})
