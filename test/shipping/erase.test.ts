import { afterAll, beforeAll, expect, it } from 'vitest'
import { sql } from '../../src/platform/postgres.ts'
import { eraseShipments } from '../../src/shipping/erase.ts'
import { address, command, type Depot, openDepot } from './depot.ts'

let depot: Depot
beforeAll(async () => {
  depot = await openDepot()
})
afterAll(() => depot.close())

const textOf = async (orderId: string) =>
  (await depot.db.query<{ row: string }>(sql`select s::text as row from shipments s where order_id = ${orderId}`))
    .map(({ row }) => row)
    .join('\n')
const kindsOf = async (...ids: string[]) => (await eraseShipments(depot.db, ids)).map(({ kind }) => kind)

it('forgets to whom parcels went that have arrived or were called off, also when asked twice', async () => {
  const { one } = depot.open()
  const [arrived, off] = [command(), command()]
  await one.create(arrived, off)
  await one.move('dispatch', `${arrived.orderId}-1`)
  await one.move('deliver', `${arrived.orderId}-1`)
  await one.cancel(off.orderId)
  expect(await textOf(arrived.orderId)).toContain('Calle Mayor 1')
  for (let times = 1; times <= 2; times++) {
    expect(await kindsOf(arrived.orderId, off.orderId)).toEqual(['done', 'done'])
    for (const { orderId } of [arrived, off])
      for (const known of ['Ana', 'Calle Mayor 1', 'Madrid', '28013']) expect(await textOf(orderId)).not.toContain(known)
    expect(await textOf(arrived.orderId)).toContain('[erased]')
  }
})

it('refuses an order with a parcel that is still to leave or to arrive, and keeps its address', async () => {
  const { one } = depot.open()
  const [here, away] = [command(), command()]
  await one.create(here, away)
  await one.move('dispatch', `${away.orderId}-1`)
  expect(await kindsOf(here.orderId, away.orderId)).toEqual(['refused', 'refused'])
  for (const { orderId } of [here, away]) expect(await textOf(orderId)).toContain('Calle Mayor 1')
})

it('forgets what a refusal said, and has nothing to forget of an order it never saw', async () => {
  const { one } = depot.open()
  const nowhere = command({ address: address('AQ') })
  const never = command()
  await one.create(nowhere)
  expect(await kindsOf(nowhere.orderId, never.orderId)).toEqual(['done', 'done'])
  const [row] = await depot.db.query<{ refusal_message: string | null; status: string }>(
    sql`select status, refusal_message from order_shipments where order_id = ${nowhere.orderId}`,
  )
  expect(row).toEqual({ status: 'refused', refusal_message: '[erased]' })
  expect(await depot.db.query(sql`select from order_shipments where order_id = ${never.orderId}`)).toEqual([])
})
