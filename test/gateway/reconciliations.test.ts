import { afterEach, expect, it } from 'vitest'
import { Reconciliation } from '../../src/gen/comanda/v1/payment.ts'
import { done, refused, toWire } from '../../src/platform/outcome.ts'
import { type Fakes, gatewayOn, ID } from './fakes.ts'

let gateway: Awaited<ReturnType<typeof gatewayOn>> | undefined
afterEach(async () => {
  await gateway?.close()
  gateway = undefined
})

async function send(payment: NonNullable<Fakes['payment']>, url: string, payload?: object) {
  gateway = await gatewayOn({ payment })
  return gateway.app.inject({ method: payload ? 'POST' : 'GET', url, ...(payload && { payload }) })
}
const run = (more: Partial<Reconciliation> = {}) =>
  Reconciliation.fromPartial({ id: ID, status: 'waiting', requestedAt: new Date(0), ...more })

it('a reconciliation is asked for, since a time and dry, and found at its location', async () => {
  const seen: unknown[] = []
  const reply = await send(
    {
      reconcile: async ({ commands }) => {
        seen.push(...commands)
        return {
          outcomes: commands.map(({ reconciliationId }) => toWire(done(run({ id: reconciliationId, dryRun: true })), (value) => value)),
        }
      },
    },
    '/reconciliations',
    { since: '2026-01-31T12:00:00Z', dry_run: true },
  )
  expect([reply.statusCode, reply.headers.location]).toEqual([202, `/reconciliations/${reply.json().id}`])
  expect(seen).toMatchObject([{ reconciliationId: reply.json().id, since: new Date('2026-01-31T12:00:00Z'), dryRun: true }])
  expect(reply.json()).toMatchObject({ status: 'waiting', dry_run: true, ended_at: null, error: null, findings: [] })
})

it.each([{ since: 'yesterday' }, { since: '2026-99-99' }, { dry_run: 'true' }, { all: true }])('refuses %j', async (body) => {
  const reply = await send(
    { reconcile: async () => ({ outcomes: [toWire<Reconciliation>(refused('x', 'asked'), (value) => value)] }) },
    '/reconciliations',
    body,
  )
  expect([reply.statusCode, reply.json().code]).toEqual([400, 'invalid_request'])
})

it('a reconciliation tells what it found; one that does not exist is 404', async () => {
  const finding = { key: `auth:${ID}`, orderId: ID, ref: '', kind: 'missing_there', message: 'gone', outcome: 'raised' }
  const ended = run({ status: 'done', endedAt: new Date(5), charges: 3, payments: 2, raised: 1, findings: [finding] })
  const payment: NonNullable<Fakes['payment']> = {
    getReconciliations: async ({ reconciliationIds }) => ({ reconciliations: reconciliationIds.includes(ID) ? [ended] : [] }),
  }
  const reply = await send(payment, `/reconciliations/${ID}`)
  expect(reply.json()).toMatchObject({
    ...{ status: 'done', ended_at: '1970-01-01T00:00:00.005Z', charges: 3, payments: 2, raised: 1 },
    findings: [{ order_id: ID, ref: null, kind: 'missing_there', message: 'gone', outcome: 'raised' }],
  })
  for (const id of [ID.replace('1', '2'), 'nothing']) {
    const missing = await gateway?.app.inject(`/reconciliations/${id}`)
    expect([missing?.statusCode, missing?.json().code]).toEqual([404, 'unknown_reconciliation'])
  }
})

it('discrepancies are listed page by page, open ones unless all are asked for', async () => {
  const seen: unknown[] = []
  const found = {
    id: 7,
    key: 'by hand',
    orderId: '',
    ref: 'ch_1',
    kind: 'missing_here',
    message: 'x',
    firstSeen: new Date(0),
    lastSeen: new Date(1),
  }
  const payment: NonNullable<Fakes['payment']> = {
    listDiscrepancies: async ({ queries }) => {
      seen.push(...queries)
      return { pages: [{ discrepancies: [{ ...found, resolvedAt: undefined }], next: 7 }] }
    },
  }
  const reply = await send(payment, '/discrepancies')
  expect(reply.json()).toMatchObject({ discrepancies: [{ id: 7, order_id: null, ref: 'ch_1', resolved_at: null }], next: '7' })
  await gateway?.app.inject('/discrepancies?after=7&all=true&limit=2')
  expect(seen).toEqual([
    { after: 0, all: false, limit: 50 },
    { after: 7, all: true, limit: 2 },
  ])
})
