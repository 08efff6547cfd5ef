import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checks } from '../../src/audit/checks.ts'
import { isNameOfATest, testsIn } from './named-tests.ts'

const FILE = 'docs/RELIABILITY.md'
const text = readFileSync(FILE, 'utf8')

type Scenario = { number: number; does: string; proof: string; tests: { file: string; name: string }[] }

const scenarios: Scenario[] = text.split('\n').flatMap((line) => {
  const [, number, , does = '', proof = ''] = line.split('|').map((cell) => cell.trim())
  return /^\d+$/.test(number ?? '') ? { number: Number(number), does, proof, tests: testsIn(proof) } : []
})

describe(FILE, () => {
  it('has the failures 1 to 50, each once, in order', () => {
    expect(scenarios.map(({ number }) => number)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
  })

  it.each(scenarios)('$number has a test that exists, or says that it has none', ({ proof, tests }) => {
    expect(tests.length, proof).toBe((proof.match(/`test\//g) ?? []).length)
    if (tests.length === 0) expect(proof).toMatch(/^Not covered yet: .+/)
    for (const { file, name } of tests) expect(isNameOfATest(readFileSync(file, 'utf8'), name), `${file}: ${name}`).toBe(true)
  })

  it('names no file, check, script or page that does not exist', () => {
    for (const [, path = ''] of text.matchAll(/`(test\/[^`]+)`/g)) expect(existsSync(path), path).toBe(true)
    for (const [, path = ''] of text.matchAll(/\]\(([^)#:]+)\)/g)) expect(existsSync(join(dirname(FILE), path)), path).toBe(true)
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
    for (const [, name = ''] of text.matchAll(/npm run ([a-z]+)/g)) expect(Object.keys(scripts)).toContain(name)
  })

  it('tells of each promise all checks of the audit, and no other', () => {
    for (const promise of ['P1', 'P2', 'P3', 'P4', 'P5', 'P6', 'P7']) {
      const row = text.split('\n').find((line) => line.startsWith(`| ${promise} |`)) ?? ''
      const expected = checks.filter((check) => check.promise === promise).map(({ id }) => id)
      expect(checksIn(row), row).toEqual(expected.sort())
    }
  })
})

/** I03, I05–I07: I03, I05, I06, I07. */
const checksIn = (row: string) =>
  [...row.matchAll(/\bI(\d\d)(?:–I(\d\d))?/g)].flatMap(([, from, to = from]) =>
    Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => `I${String(Number(from) + i).padStart(2, '0')}`),
  )
