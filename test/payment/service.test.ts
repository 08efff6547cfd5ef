import { afterAll, beforeAll, expect, it } from 'vitest'
import { PaymentServiceDefinition } from '../../src/gen/comanda/v1/payment.ts'
import { startPayment } from '../../src/payment/start.ts'
import { readConfig } from '../../src/platform/config.ts'
import { connectGrpc, type GrpcClient } from '../../src/platform/grpc.ts'
import { newId } from '../../src/platform/ids.ts'
import { silentLog } from '../../src/platform/log.ts'
import type { RunningService } from '../../src/platform/service.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const PORT = '56053'
let database: TestDatabase
let service: RunningService
let client: GrpcClient<typeof PaymentServiceDefinition>
beforeAll(async () => {
  database = await testDatabase('payment')
  service = await startPayment({ config: readConfig({ PAYMENT_PORT: PORT }), databaseUrl: database.url, log: silentLog() })
  client = connectGrpc(PaymentServiceDefinition, service.address, 5_000)
})
afterAll(async () => {
  client.close()
  await service.stop()
  await database.drop()
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
