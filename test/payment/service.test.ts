import { afterAll, beforeAll, expect, it } from 'vitest'
import { PaymentServiceDefinition } from '../../src/gen/comanda/v1/payment.ts'
import { startPayment } from '../../src/payment/start.ts'
import { readConfig } from '../../src/platform/config.ts'
import { connectGrpc, type GrpcClient } from '../../src/platform/grpc.ts'
import { newId } from '../../src/platform/ids.ts'
import { silentLog } from '../../src/platform/log.ts'
import { sql } from '../../src/platform/postgres.ts'
import type { RunningService } from '../../src/platform/service.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { freePorts } from '../support/system.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let broker: TestDatabase
let service: RunningService
let client: GrpcClient<typeof PaymentServiceDefinition>
beforeAll(async () => {
  database = await testDatabase('payment')
  broker = await testDatabase('broker')
  const [port] = await freePorts(1)
  service = await startPayment({
    config: readConfig({ PAYMENT_PORT: String(port), BROKER_DATABASE_URL: broker.url }),
    databaseUrl: database.url,
    log: silentLog(),
  })
  client = connectGrpc(PaymentServiceDefinition, service.address, 5_000)
})
afterAll(async () => {
  client.close()
  await service.stop()
  await database.drop()
  await broker.drop()
})

const authorise = (orderId: string, token = '') => ({
  orderId,
  requestId: 'q1',
  method: 'credit_card',
  token,
  amountMinor: 400,
  currency: 'EUR',
})

it('takes a payment through its whole life over gRPC', async () => {
  const orderId = newId()
  const [authorised] = (await client.authorizePayments({ commands: [authorise(orderId)] })).outcomes
  expect(authorised?.outcome).toMatchObject({ $case: 'done', value: { orderId, status: 'authorised', amountMinor: 400 } })
  const [captured] = (await client.capturePayments({ commands: [{ orderId, requestId: 'q2' }] })).outcomes
  expect(captured?.outcome).toMatchObject({ $case: 'done', value: { status: 'captured', capturedMinor: 400 } })
  const [voided] = (await client.voidPayments({ commands: [{ orderId, requestId: 'q3' }] })).outcomes
  expect(voided?.outcome).toMatchObject({ $case: 'refused', value: { code: 'payment_captured' } })
  const [refunded] = (await client.refundPayments({ commands: [{ orderId, requestId: 'q4', refundId: 'r1', amountMinor: 400 }] })).outcomes
  expect(refunded?.outcome).toMatchObject({ $case: 'done', value: { status: 'refunded', refundedMinor: 400 } })
})

it('answers many payments in the order asked and leaves out those that do not exist', async () => {
  const [one, two] = [newId(), newId()]
  const { outcomes } = await client.authorizePayments({ commands: [authorise(one), authorise(two, 'tok_declined')] })
  expect(outcomes.map(({ outcome }) => outcome?.$case)).toEqual(['done', 'refused'])
  const { payments } = await client.getPayments({ orderIds: [two, newId(), 'not-a-uuid', one] })
  expect(payments).toMatchObject([
    { orderId: two, status: 'declined', declineCode: 'card_declined', providerRef: '' },
    { orderId: one, status: 'authorised' },
  ])
  expect(payments[1]?.createdAt).toBeInstanceOf(Date)
})

it('reconciles when asked to, once per id, and lists what a person must look at', async () => {
  const orderId = newId()
  await client.authorizePayments({ commands: [authorise(orderId)] })
  await database.db.query(sql`update payments set updated_at = now() - interval '2 minutes' where order_id = ${orderId}`)
  await database.db.query(sql`update simulated_provider.charges set status = 'voided' where order_ref = ${orderId}`)
  const [dry, real] = [newId(), newId()]
  const ask = (reconciliationId: string, dryRun: boolean) => ({ reconciliationId, requestId: 'q', since: undefined, dryRun })
  const { outcomes } = await client.reconcile({ commands: [ask(dry, true), ask('not-a-uuid', true)] })
  expect(outcomes.map(({ outcome }) => outcome?.$case)).toEqual(['done', 'refused'])
  const ended = (id: string) =>
    until('the reconciliation to end', async () => {
      const [found] = (await client.getReconciliations({ reconciliationIds: [newId(), id, 'x'] })).reconciliations
      return found?.endedAt && found
    })
  expect(await ended(dry)).toMatchObject({
    status: 'done',
    dryRun: true,
    wouldRaise: 1,
    raised: 0,
    findings: [{ orderId, kind: 'status_differs' }],
  })
  expect((await client.listDiscrepancies({ queries: [{ after: 0, limit: 10, all: true }] })).pages[0]?.discrepancies).toEqual([])
  for (let i = 0; i < 2; i++) await client.reconcile({ commands: [ask(real, false)] })
  expect(await ended(real)).toMatchObject({ status: 'done', raised: 1, findings: [{ orderId, outcome: 'raised' }] })
  const query = { after: 0, limit: 1, all: false }
  const [page] = (await client.listDiscrepancies({ queries: [query] })).pages
  expect(page).toMatchObject({ discrepancies: [{ orderId, key: `auth:${orderId}`, kind: 'status_differs', resolvedAt: undefined }] })
  expect((await client.listDiscrepancies({ queries: [{ ...query, after: page?.next ?? 0 }] })).pages).toMatchObject([
    { discrepancies: [], next: 0 },
  ])
})
