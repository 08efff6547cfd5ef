import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { audit } from '../../src/audit/audit.ts'
import { PROMISES } from '../../src/audit/check.ts'
import { checks } from '../../src/audit/checks.ts'
import type { Urls } from '../../src/audit/sessions.ts'
import { auditCommand } from '../../src/cli/audit.ts'
import { Failure } from '../../src/cli/failure.ts'
import { OWNERS } from '../../src/platform/config.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { ENDINGS, execute, type Ids, makeHistory } from './history.ts'

let databases: TestDatabase[]
let urls: Urls
let ids: Ids

beforeAll(async () => {
  databases = await Promise.all(OWNERS.map(testDatabase))
  urls = Object.fromEntries(OWNERS.map((owner, i) => [owner, databases[i]?.url])) as Urls
  ids = await makeHistory(urls)
}, 90_000)

afterAll(() => Promise.all(databases.map((database) => database.drop())))
afterEach(() => {
  vi.unstubAllEnvs()
})

/** Runs `comanda audit …` on the databases of this file, or those of `env`. */
async function comandaAudit(args: string[], env: Record<string, string> = {}): Promise<{ code: number; out: string; err: string }> {
  for (const owner of OWNERS) vi.stubEnv(`${owner.toUpperCase()}_DATABASE_URL`, urls[owner])
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  let [out, err] = ['', '']
  const program = new Command().configureOutput({
    writeOut: (text) => {
      out += text
    },
    writeErr: (text) => {
      err += text
    },
  })
  auditCommand(program)
  try {
    await program.parseAsync(['audit', ...args], { from: 'user' })
    return { code: 0, out, err }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { code: error.exitCode, out, err: err + error.message }
  }
}

const setWork = (work: string) =>
  execute(
    urls.orders,
    `update orders set work = ${work}, due_at = case when ${work} is not null then now() end where id = '${ids.dispatched}'`,
  )

describe('comanda audit', () => {
  it('shows every check and a summary, and exits 0 when all holds', async () => {
    const { code, out } = await comandaAudit([])
    expect(code).toBe(0)
    for (const check of checks) expect(out).toContain(check.id)
    expect(out).toContain('5 confirmed, 2 dispatched, 2 delivered, 5 rejected, 1 cancelled')
    expect(out).toMatch(/Units: \d+ held of \d+ on hand/)
    expect(out).toContain('EUR captured')
    expect(out).toContain(`all ${checks.length} checks hold`)
  })

  it('shows what breaks a check, and exits 1', async () => {
    await execute(urls.inventory, `update stock set on_hand = on_hand + 7 where product_id = 'b2'`)
    const { code, out } = await comandaAudit([])
    await execute(urls.inventory, `update stock set on_hand = on_hand - 7 where product_id = 'b2'`)
    expect(code).toBe(1)
    expect(out).toContain('✗ I08 stock is the sum of its movements')
    expect(out).toContain('"product_id":"b2"')
    expect(out).toContain(`1 of ${checks.length} checks is broken`)
  })

  it('prints the report as JSON', async () => {
    const { code, out } = await comandaAudit(['--json'])
    expect(code).toBe(0)
    const report = JSON.parse(out)
    expect(report).toMatchObject({ ok: true, inFlight: { orders: 0 }, summary: { orders: { cancelled: 1 } } })
    expect(report.results.map((result: { id: string }) => result.id)).toEqual(checks.map((check) => check.id))
    expect(report.results.find((result: { about: string }) => result.about === 'orders').examined).toBe(ENDINGS.length)
  })

  it('says which database it can not reach, and exits 2', async () => {
    const { code, err } = await comandaAudit([], { PAYMENT_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/payment' })
    expect([code, err]).toEqual([2, expect.stringContaining("the database of payment can't be reached")])
  })

  it('says that there are no databases, and exits 2', async () => {
    const none = Object.fromEntries(OWNERS.map((owner) => [`${owner.toUpperCase()}_DATABASE_URL`, '']))
    const { code, err } = await comandaAudit([], { ...none, DATA_DIR: '/nonexistent/comanda' })
    expect([code, err]).toEqual([2, expect.stringContaining('no embedded PostgreSQL runs on /nonexistent/comanda')])
  })

  it('exits 2 when a check can not be run', async () => {
    await execute(urls.inventory, 'alter table receipts rename to receipts_elsewhere; alter table movements rename to gone')
    const { code, err } = await comandaAudit([])
    await execute(urls.inventory, 'alter table gone rename to movements; alter table receipts_elsewhere rename to receipts')
    expect([code, err]).toEqual([2, expect.stringMatching(/check I0\d could not be run: relation "movements" does not exist/)])
  })
})

describe('an audit of a system at work', () => {
  it('waits for the orders under way, then finds that all holds', async () => {
    await setWork(`'settle'`)
    const seen: number[] = []
    const onWaiting = ({ orders }: { orders: number }) => {
      seen.push(orders)
      if (seen.length === 2) void setWork('null')
    }
    const report = await audit(urls, { waitMs: 20_000, onWaiting })
    expect(seen[0]).toBe(1)
    expect(report).toMatchObject({ ok: true, inFlight: { orders: 0 } })
  })

  it('gives up waiting, says what is under way, and blames only that', async () => {
    await setWork(`'settle'`)
    // Half done: captured at the provider, and nobody here knows.
    const half = `update orders set payment = payment || '{"status": "authorised"}' where id = '${ids.dispatched}'`
    await execute(urls.orders, half)
    const { code, out } = await comandaAudit(['--wait', '0'])
    expect(code).toBe(1)
    expect(out).toContain(`1 of ${checks.length} checks is broken`)
    expect(out).toContain('✗ I02')
    expect(out).toContain('Still 1 order under way')
  })

  it('with --now runs only what holds at every instant, and tells what is under way', async () => {
    const { code, out } = await comandaAudit(['--now'])
    const always = checks.filter((check) => check.kind === 'always')
    expect(code).toBe(0)
    expect(out).toContain(`all ${always.length} checks hold`)
    expect(out).toContain('Still 1 order under way')
    expect(out).not.toContain('I02')
  })
})

describe('docs/AUDIT.md', () => {
  const page = readFileSync(new URL('../../docs/AUDIT.md', import.meta.url), 'utf8')
  const rowsOf = (page_: string, start: RegExp) => page_.split('\n').filter((line) => start.test(line))

  it('lists exactly the checks that there are, in their order', () => {
    expect(rowsOf(page, /^\| I\d/)).toEqual(checks.map((check) => `| ${check.id} | ${check.promise} | ${check.kind} | ${check.title} |`))
  })

  it('lists exactly the promises', () => {
    expect(rowsOf(page, /^\| P\d/)).toEqual(Object.entries(PROMISES).map(([promise, title]) => `| ${promise} | ${title} |`))
  })

  it('has one check per id', () => {
    expect(new Set(checks.map((check) => check.id)).size).toBe(checks.length)
  })
})
