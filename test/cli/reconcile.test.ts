import { afterEach, describe, expect, it } from 'vitest'
import { comanda, type FakeGateway, fakeGateway, type Seen } from './fake-gateway.ts'

let gateway: FakeGateway
afterEach(() => gateway.close())

const counts = { charges: 12, payments: 3, repaired: 0, raised: 0, would_repair: 0, would_raise: 0, not_settled: 0, not_told: 0 }
const run = (more: object = {}) => ({
  ...{ id: 'r1', status: 'done', dry_run: false, since: null, ended_at: '2026-01-01T00:00:01.000Z', error: null, ...counts, findings: [] },
  ...more,
})
const finding = { key: 'auth:o1', order_id: 'o1', ref: 'ch_1', kind: 'status_differs', message: 'the payment is voided', outcome: 'raised' }
const open = { id: 1, ...finding, first_seen: '2026-01-01T00:00:00.000Z', last_seen: '2026-01-01T00:00:00.000Z', resolved_at: null }

/** A gateway whose reconciliation ends as `ended` at the second look. */
async function against(ended: object, discrepancies: object[], ...args: string[]) {
  gateway = await fakeGateway((seen: Seen, count) => {
    if (seen.method === 'POST') return { status: 202, body: run({ status: 'waiting', ended_at: null }) }
    if (seen.path.startsWith('/discrepancies')) return { status: 200, body: { discrepancies, next: null } }
    return { status: 200, body: count < 2 ? run({ status: 'running', ended_at: null }) : ended }
  })
  return comanda('reconcile', ...args, '--url', gateway.url)
}

describe('comanda reconcile', () => {
  it('waits for the end and says that the books agree', async () => {
    const { code, out } = await against(run(), [])
    expect([code, out]).toEqual([0, 'Compared 12 charges and 3 payments.\n✓ the books agree\n'])
    const since = new Date(String(gateway.seen[0]?.body.since)).getTime()
    expect(Math.abs(Date.now() - 24 * 3_600_000 - since)).toBeLessThan(60_000)
    expect(gateway.seen[0]?.body.dry_run).toBe(false)
  })
  it('shows what was repaired, and what is left fails it', async () => {
    const repaired = { ...finding, kind: 'unwanted_charge', outcome: 'repaired' }
    const ok = await against(run({ repaired: 1, findings: [repaired] }), [])
    expect([ok.code, ok.out]).toEqual([0, expect.stringContaining('✓ the books agree (1 repaired)')])
    await gateway.close()
    const { code, out } = await against(run({ raised: 1, findings: [finding] }), [open])
    expect(code).toBe(1)
    expect(out).toContain('the payment is voided')
    expect(out).toContain('✗ 1 to be looked at')
  })
  it('fails for what is open since before, for what could be repaired in a dry run, and for what nobody could tell', async () => {
    for (const [more, list] of [
      [{}, [open]],
      [{ would_repair: 1 }, []],
      [{ not_told: 1 }, []],
    ] as const) {
      expect((await against(run(more), [...list])).code).toBe(1)
      await gateway.close()
    }
  })
  it('looks at everything, without touching it, when told so', async () => {
    await against(run({ dry_run: true }), [], '--all', '--dry-run')
    expect(gateway.seen[0]?.body).toEqual({ dry_run: true })
  })
  it('looks back as far as it is told, and not both', async () => {
    await against(run(), [], '--since', '1h')
    expect(Math.abs(Date.now() - 3_600_000 - new Date(String(gateway.seen[0]?.body.since)).getTime())).toBeLessThan(60_000)
    await gateway.close()
    expect((await against(run(), [], '--since', '1h', '--all')).code).toBe(2)
    await gateway.close()
    expect((await against(run(), [], '--since', 'yesterday')).code).toBe(2)
  })
  it('says why a reconciliation failed', async () => {
    const { code, err } = await against(run({ status: 'failed', error: 'connection refused' }), [])
    expect([code, err]).toEqual([1, 'comanda: the reconciliation failed: connection refused\n'])
  })
  it('prints JSON for machines', async () => {
    const { out } = await against(run({ raised: 1, findings: [finding] }), [open], '--json')
    expect(JSON.parse(out)).toMatchObject({ raised: 1, findings: [{ order_id: 'o1' }], open: [{ id: 1 }] })
  })
  it('lists what is open', async () => {
    const { code, out } = await against(run(), [open], 'list')
    expect([code, out]).toEqual([0, expect.stringContaining('status_differs')])
    expect(gateway.seen[0]?.path).not.toContain('all=')
    await gateway.close()
    expect((await against(run(), [], 'list', '--resolved')).out).toBe('✓ nothing to look at\n')
    expect(gateway.seen[0]?.path).toContain('all=true')
  })
})
