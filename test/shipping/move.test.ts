import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { sql } from '../../src/platform/postgres.ts'
import { codeOf, command, type Depot, openDepot, parcel, shipmentsOf } from './depot.ts'

let depot: Depot
beforeAll(async () => {
  depot = await openDepot()
})
afterAll(() => depot.close())

const created = async (locations: string[] = ['madrid']) => {
  const desk = depot.open()
  const [answer] = await desk.one.create(command({ parcels: locations.map((location) => parcel(location)) }))
  const rows = shipmentsOf(answer)
  return { ...desk, orderId: rows[0]?.order_id ?? '', ids: rows.map((row) => `${row.order_id}-${row.number}`) as [string, ...string[]] }
}

describe('dispatching and delivering', () => {
  it('goes from created to delivered, with one fact each, and repeats do nothing', async () => {
    const { one, two, ids, orderId } = await created()
    expect((await one.move('dispatch', ids[0], ids[0])).map(codeOf)).toEqual(['done', 'done'])
    expect(await two.move('dispatch', ids[0])).toMatchObject([{ row: { status: 'dispatched' } }])
    expect(await one.move('deliver', ids[0])).toMatchObject([{ row: { status: 'delivered' } }])
    expect(await two.move('deliver', ids[0])).toMatchObject([{ row: { status: 'delivered' } }])
    expect(await two.move('dispatch', ids[0])).toMatchObject([{ row: { status: 'delivered' } }])
    expect(await depot.factsOf(orderId)).toEqual(['1 dispatched', '1 delivered'])
  })

  it('answers the shipment as it is stored afterwards', async () => {
    const { one, ids } = await created()
    const [moved] = await one.move('dispatch', ids[0])
    const [again] = await one.move('dispatch', ids[0])
    expect(moved).toEqual(again)
  })

  it('refuses what can not be, each for its own reason, and does the rest of the batch', async () => {
    const { one, ids, carrier } = await created()
    const off = await created()
    await off.one.cancel(off.orderId)
    const open = command()
    carrier.after = async (answers) => answers.map(() => ({ kind: 'unknown', message: 'lost' }))
    await one.create(open)
    const answers = await one.move(
      'dispatch',
      `${newId()}-1`,
      'nonsense',
      `${ids[0].slice(0, -1)}7`,
      off.ids[0],
      `${open.orderId}-1`,
      ids[0],
    )
    expect(answers.map(codeOf)).toEqual([
      'unknown_shipment',
      'unknown_shipment',
      'unknown_shipment',
      'shipment_cancelled',
      'not_created',
      'done',
    ])
    const other = await created()
    expect((await one.move('deliver', other.ids[0], off.ids[0])).map(codeOf)).toEqual(['not_dispatched', 'shipment_cancelled'])
    expect(await depot.factsOf(other.orderId)).toEqual([])
  })

  it('dispatches opposite lists from two instances at once without a deadlock', async () => {
    const many = await Promise.all(Array.from({ length: 12 }, () => created(['madrid', 'vigo'])))
    const ids = many.flatMap((order) => order.ids)
    const { one, two } = depot.open()
    const [left, right] = await Promise.all([one.move('dispatch', ...ids), two.move('dispatch', ...[...ids].reverse())])
    expect([...left, ...right].map(codeOf)).toEqual(Array(48).fill('done'))
    for (const { orderId } of many) expect((await depot.factsOf(orderId)).sort()).toEqual(['1 dispatched', '2 dispatched'])
  })
})

describe('cancelling', () => {
  it('calls off all shipments, and a repeat does nothing', async () => {
    const { one, two, orderId, ids } = await created(['madrid', 'vigo'])
    expect((await one.cancel(orderId)).get(orderId)).toMatchObject({
      off: true,
      shipments: [{ status: 'cancelled' }, { status: 'cancelled' }],
    })
    expect((await two.cancel(orderId, orderId)).get(orderId)?.off).toBe(true)
    expect((await one.move('dispatch', ...ids)).map(codeOf)).toEqual(['shipment_cancelled', 'shipment_cancelled'])
  })

  it('is refused for all once one was dispatched', async () => {
    const { one, orderId, ids } = await created(['madrid', 'vigo'])
    await one.move('dispatch', ids[0])
    expect((await one.cancel(orderId)).get(orderId)?.off).toBe(false)
    expect(await depot.statusesOf(orderId)).toEqual({ order: 'created', shipments: ['dispatched', 'created'] })
  })

  it('lets exactly one of cancel and dispatch win, whoever comes first', async () => {
    const winners = new Set<string>()
    for (let round = 0; round < 40; round++) {
      const { one, two, orderId, ids } = await created(['madrid', 'vigo'])
      const cancel = () => one.cancel(orderId)
      const dispatch = () => two.move('dispatch', ids[1] ?? '')
      const [off, [left]] =
        round % 2 ? await Promise.all([cancel(), dispatch()]) : await Promise.all([dispatch(), cancel()]).then(([d, c]) => [c, d] as const)
      const cancelWon = off.get(orderId)?.off === true
      expect(codeOf(left)).toBe(cancelWon ? 'shipment_cancelled' : 'done')
      expect((await depot.statusesOf(orderId)).shipments).toEqual(cancelWon ? ['cancelled', 'cancelled'] : ['created', 'dispatched'])
      expect(await depot.factsOf(orderId)).toEqual(cancelWon ? [] : ['2 dispatched'])
      winners.add(cancelWon ? 'cancel' : 'dispatch')
    }
    expect([...winners].sort()).toEqual(['cancel', 'dispatch'])
  }, 60_000)

  it('leaves a dispatch that waits for a cancel with nothing to dispatch', async () => {
    const { two, orderId, ids } = await created()
    let waiting: ReturnType<typeof two.move> | undefined
    await depot.db.transaction(async (tx) => {
      await tx.query(sql`select 1 from order_shipments where order_id = ${orderId} for update`)
      waiting = two.move('dispatch', ids[0])
      tx.write(sql`update order_shipments set status = 'cancelled' where order_id = ${orderId}`)
      tx.write(sql`update shipments set status = 'cancelled' where order_id = ${orderId}`)
    })
    expect((await waiting)?.map(codeOf)).toEqual(['shipment_cancelled'])
    expect(await depot.factsOf(orderId)).toEqual([])
  })
})

describe('facts', () => {
  it('are not there when the change is rolled back', async () => {
    const { one, orderId, ids } = await created()
    // The same fact from elsewhere makes the insert fail at the end of the transaction.
    await depot.db.query(sql`insert into facts (order_id, number, location_id, status) values (${orderId}, 1, 'madrid', 'dispatched')`)
    await expect(one.move('dispatch', ids[0])).rejects.toThrow()
    expect((await depot.statusesOf(orderId)).shipments).toEqual(['created'])
  })
})
