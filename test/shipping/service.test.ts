import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ShippingServiceDefinition } from '../../src/gen/comanda/v1/shipping.ts'
import { readConfig } from '../../src/platform/config.ts'
import { connectGrpc, type GrpcClient } from '../../src/platform/grpc.ts'
import { newId } from '../../src/platform/ids.ts'
import { silentLog } from '../../src/platform/log.ts'
import { done, refused, unknown } from '../../src/platform/outcome.ts'
import { sql } from '../../src/platform/postgres.ts'
import type { RunningService } from '../../src/platform/service.ts'
import { startShipping } from '../../src/shipping/start.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { freePorts } from '../support/system.ts'
import { until } from '../support/until.ts'
import { OrdersStandIn } from './orders-stand-in.ts'

/** The broker is down all the time here: orders is told directly. */
const NO_BROKER = 'postgres://127.0.0.1:1/none'

let database: TestDatabase
let service: RunningService
let client: GrpcClient<typeof ShippingServiceDefinition>
const orders = new OrdersStandIn()
beforeAll(async () => {
  database = await testDatabase('shipping')
  await orders.open()
  const [port] = await freePorts(1)
  const config = readConfig({
    SHIPPING_PORT: String(port),
    ORDERS_ADDRESS: `127.0.0.1:${orders.port}`,
    RPC_TIMEOUT_MS: '2000',
    BROKER_DATABASE_URL: NO_BROKER,
  })
  service = await startShipping({ config, databaseUrl: database.url, log: silentLog() })
  client = connectGrpc(ShippingServiceDefinition, service.address, 5_000)
})
afterAll(async () => {
  client.close()
  await service.stop()
  await orders.close()
  await database.drop()
})
beforeEach(() => {
  orders.answer = () => done(null)
})

const items = [{ productId: 'a1', quantity: 2 }]
const parcel = (locationId: string) => ({ locationId, weightGrams: 900, items })
const address = { name: 'Ana', line1: 'Calle Mayor 1', line2: '', city: 'Madrid', region: '', postalCode: '28013', country: 'ES' }
const command = (changes: object = {}) => ({
  ...{ orderId: newId(), requestId: 'q1', shippingMethod: 'express', address, parcels: [parcel('vigo'), parcel('madrid')] },
  ...changes,
})
const created = async () => {
  const wanted = command()
  await client.createShipments({ commands: [wanted] })
  return { orderId: wanted.orderId, ids: [1, 2].map((number) => `${wanted.orderId}-${number}`) as [string, string] }
}
const dispatch = (...ids: string[]) => client.dispatchShipments({ commands: ids.map((shipmentId) => ({ shipmentId, requestId: 'q2' })) })
const untold = async () => (await database.db.query<{ n: number }>(sql`select count(*) as n from facts where told_at is null`))[0]?.n

describe('shipping over gRPC', () => {
  it('creates, shows, dispatches and delivers', async () => {
    const wanted = command()
    const [answer] = (await client.createShipments({ commands: [wanted] })).outcomes
    expect(answer?.outcome).toMatchObject({
      $case: 'done',
      value: {
        shipments: [
          { locationId: 'madrid', address, items },
          { locationId: 'vigo', weightGrams: 900 },
        ],
      },
    })
    const ids = [`${wanted.orderId}-2`, 'nonsense', `${newId()}-1`, `${wanted.orderId}-1`, `${wanted.orderId}-2`]
    const { shipments } = await client.getShipments({ shipmentIds: ids })
    expect(shipments.map((shipment) => shipment.id)).toEqual([ids[0], ids[3], ids[0]])
    expect(shipments[0]).toMatchObject({ status: 'created', shippingMethod: 'express', createdAt: expect.any(Date) })
    expect((await dispatch(ids[0] ?? '')).outcomes[0]?.outcome).toMatchObject({
      $case: 'done',
      value: { id: ids[0], status: 'dispatched' },
    })
    const [delivered] = (await client.deliverShipments({ commands: [{ shipmentId: ids[0] ?? '', requestId: '' }] })).outcomes
    expect(delivered?.outcome).toMatchObject({ $case: 'done', value: { status: 'delivered' } })
  })

  it.each([
    ['an id that is none', { orderId: 'nonsense' }],
    ['no parcels', { parcels: [] }],
    ['two parcels from one location', { parcels: [parcel('vigo'), parcel('vigo')] }],
    ['a negative weight', { parcels: [{ ...parcel('vigo'), weightGrams: -1 }] }],
    ['a parcel without items', { parcels: [{ ...parcel('vigo'), items: [] }] }],
    ['a quantity of 0', { parcels: [{ ...parcel('vigo'), items: [{ productId: 'a1', quantity: 0 }] }] }],
    ['an unknown shipping method', { shippingMethod: 'pigeon' }],
    ['a null character', { address: { ...address, city: 'Mad\0rid' } }],
  ])('refuses %s, and its neighbours go on', async (_, fault) => {
    const { outcomes } = await client.createShipments({
      commands: [command(), command(fault), command({ shippingMethod: '', address: undefined })],
    })
    expect(outcomes.map(({ outcome }) => outcome?.$case)).toEqual(['done', 'refused', 'done'])
    expect(outcomes[1]?.outcome).toMatchObject({ value: { code: 'invalid_shipment' } })
  })
})

describe('telling orders', () => {
  it('tells each fact once', async () => {
    const { ids } = await created()
    await dispatch(...ids)
    await until('both to be heard', () => ids.every((id) => orders.timesHeard(`${id} dispatched`) > 0))
    await until('all to be told', async () => (await untold()) === 0)
    expect(ids.map((id) => orders.timesHeard(`${id} dispatched`))).toEqual([1, 1])
  })

  it('tells orders when it comes back', async () => {
    await orders.close()
    const { ids } = await created()
    await dispatch(...ids)
    expect(await untold()).toBe(2)
    await orders.open()
    await until('all to be told', async () => (await untold()) === 0)
    expect(ids.every((id) => orders.timesHeard(`${id} dispatched`) > 0)).toBe(true)
  })

  it('does not ask again about what orders refuses', async () => {
    orders.answer = () => refused('order_ended', 'too late')
    const { ids } = await created()
    await dispatch(...ids)
    await until('all to be told', async () => (await untold()) === 0)
    expect(orders.timesHeard(`${ids[0]} dispatched`)).toBe(1)
  })

  it('keeps telling what orders does not know yet, and the others are told meanwhile', async () => {
    const [early, ready] = [await created(), await created()]
    orders.answer = (fact) => (fact.orderId === early.orderId ? unknown('not confirmed yet') : done(null))
    await dispatch(early.ids[0])
    await until('the early one to be heard four times', () => orders.timesHeard(`${early.ids[0]} dispatched`) >= 4)
    await dispatch(ready.ids[0])
    await until('the ready one to be heard', () => orders.timesHeard(`${ready.ids[0]} dispatched`) > 0)
    orders.answer = () => done(null)
    await until('all to be told', async () => (await untold()) === 0)
  })

  it('is not held up by hundreds of facts that orders can not take yet', async () => {
    const waiting = newId()
    await database.db.query(sql`insert into order_shipments (order_id, status) values (${waiting}, 'created')`)
    orders.answer = (fact) => (fact.orderId === waiting ? unknown('not confirmed yet') : done(null))
    await database.db.query(sql`
      insert into facts (order_id, number, location_id, status) select ${waiting}, n, 'madrid', 'dispatched' from generate_series(1, 600) n`)
    const { ids } = await created()
    await dispatch(ids[0])
    await until('the ready one to be heard', () => orders.timesHeard(`${ids[0]} dispatched`) > 0, 10)
    orders.answer = () => done(null)
    await until('all to be told', async () => (await untold()) === 0)
  })

  it('is not held up by one fact that makes orders fail', async () => {
    const [poison, ready] = [await created(), await created()]
    orders.answer = (fact) => {
      if (fact.orderId === poison.orderId) throw new Error('unforeseen')
      return done(null)
    }
    await dispatch(poison.ids[0], ready.ids[0])
    await until('the other to be heard', () => orders.timesHeard(`${ready.ids[0]} dispatched`) > 0, 10)
    orders.answer = () => done(null)
    await until('all to be told', async () => (await untold()) === 0)
  })
})
