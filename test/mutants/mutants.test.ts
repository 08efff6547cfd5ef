import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { MUTANTS } from './mutants.ts'
import { planted } from './plugin.ts'

/** Whether they can still be planted; whether they are caught is for `npm run mutants`. */
describe('planted bugs', () => {
  it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('%s: has its place', (_name, mutant) => {
    const source = readFileSync(mutant.file, 'utf8')
    expect(planted(mutant, source)).not.toBe(source)
  })

  it('are at least twenty, each with its own name and a test that exists', () => {
    expect(new Set(MUTANTS.map((mutant) => mutant.name)).size).toBe(MUTANTS.length)
    expect(MUTANTS.length).toBeGreaterThanOrEqual(20)
    for (const { caughtBy } of MUTANTS) expect(caughtBy.test).not.toBe('')
    for (const { caughtBy } of MUTANTS) expect(readFileSync(caughtBy.file, 'utf8')).toContain('import')
  })
})
