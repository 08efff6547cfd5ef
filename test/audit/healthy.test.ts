import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { audit } from '../../src/audit/audit.ts'
import type { Urls } from '../../src/audit/sessions.ts'
import { OWNERS } from '../../src/platform/config.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { makeHistory } from './history.ts'

let databases: TestDatabase[]
let urls: Urls


beforeAll(async () => {
  databases = await Promise.all(OWNERS.map(testDatabase))
  urls = Object.fromEntries(OWNERS.map((owner, i) => [owner, databases[i]?.url])) as Urls
  await makeHistory(urls)
}, 90_000)

afterAll(() => Promise.all(databases.map((database) => database.drop())))

describe('the audit of a healthy history', () => {
  it('finds that everything holds', async () => {
    const report = await audit(urls)
    expect(report.results.filter((result) => result.violations > 0)).toEqual([])
    expect(report.ok).toBe(true)
  })
})
