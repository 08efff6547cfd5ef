import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { address, codeOf, command, type Depot, openDepot, parcel, shipmentsOf } from './depot.ts'

let depot: Depot
beforeAll(async () => {
  depot = await openDepot()
})
afterAll(() => depot.close())

describe('creating shipments', () => {
  it('books one per parcel, numbered by location, each with a tracking number', async () => {
    const { one, carrier } = depot.open()
    const wanted = command({ parcels: [parcel('sevilla', 700), parcel('madrid', 300)] })
    const [answer] = await one.create(wanted)
    expect(shipmentsOf(answer)).toMatchObject([
      { number: 1, location_id: 'madrid', status: 'created', weight_grams: 300, carrier: expect.stringMatching(/./), address: address() },
      { number: 2, location_id: 'sevilla', status: 'created', weight_grams: 700, items: [{ product_id: 'a1', quantity: 2 }] },
    ])
    const numbers = shipmentsOf(answer).map((row) => row.tracking_number)
    expect(new Set(numbers).size).toBe(2)
    expect(carrier.liveOf(wanted.orderId)).toEqual([`${wanted.orderId}-1`, `${wanted.orderId}-2`])
  })

  it('gives the stored answer to a repeat, also with other parcels, and books no more', async () => {
    const { one, two, carrier } = depot.open()
    const wanted = command()
    const [first] = await one.create(wanted)
    const [again] = await two.create({ ...wanted, parcels: [parcel('bilbao'), parcel('vigo')] })
    expect(again).toEqual(first)
    expect(carrier.asked).toHaveLength(1)
  })

  it('answers an order that is twice in one batch twice the same, between its neighbours', async () => {
    const { one, carrier } = depot.open()
    const [a, b] = [command(), command({ parcels: [parcel('vigo')] })]
    const answers = await one.create(a, b, a)
    expect(answers.map((answer) => shipmentsOf(answer)[0]?.order_id)).toEqual([a.orderId, b.orderId, a.orderId])
    expect(answers[0]).toEqual(answers[2])
    expect(carrier.asked.flat()).toHaveLength(2)
  })

  it('decides once when two instances create the same orders at once, in opposite orders', async () => {
    const { one, two } = depot.open()
    const commands = Array.from({ length: 20 }, () => command({ parcels: [parcel(), parcel('vigo')] }))
    const [left, right] = await Promise.all([one.create(...commands), two.create(...[...commands].reverse())])
    expect([...right].reverse()).toEqual(left)
    for (const { orderId } of commands)
      expect(await depot.statusesOf(orderId)).toEqual({ order: 'created', shipments: ['created', 'created'] })
  })

  it('refuses the whole order when the carrier refuses one of two parcels, and marks the other to be called off', async () => {
    const { one, two } = depot.open()
    const wanted = command({ parcels: [parcel('madrid'), parcel('sevilla', 1_000_001)] })
    const good = command()
    const [bad, fine] = await one.create(wanted, good)
    expect([codeOf(bad), codeOf(fine)]).toEqual(['carrier_refused', 'done'])
    expect(await depot.statusesOf(wanted.orderId)).toEqual({ order: 'refused', shipments: ['cancelled', 'cancelled'] })
    expect(await two.create(wanted)).toEqual([bad])
  })

  it('refuses a country that the carrier does not serve, and needs no address at all', async () => {
    const { one } = depot.open()
    const answers = await one.create(command({ address: address('AQ') }), command({ address: null }))
    expect(answers.map(codeOf)).toEqual(['carrier_refused', 'done'])
  })

  it('is unknown when the carrier does not say, and booked with the same keys when asked again', async () => {
    const { one, carrier } = depot.open()
    const wanted = command({ parcels: [parcel(), parcel('vigo')] })
    carrier.after = async (answers) => answers.map((answer, i) => (i === 1 ? { kind: 'unknown', message: 'lost' } : answer))
    expect((await one.create(wanted)).map(codeOf)).toEqual(['unknown'])
    expect(await depot.statusesOf(wanted.orderId)).toEqual({ order: 'requested', shipments: ['requested', 'requested'] })
    carrier.after = async (answers) => answers
    expect((await one.create(wanted)).map(codeOf)).toEqual(['done'])
    expect(carrier.asked[0]).toEqual(carrier.asked[1])
    expect(carrier.liveOf(wanted.orderId)).toHaveLength(2)
  })

  it('finds the booking again after a crash between booking and writing it down', async () => {
    const { one, two, carrier } = depot.open()
    const wanted = command()
    carrier.after = async () => {
      throw new Error('the process died')
    }
    expect((await one.create(wanted)).map(codeOf)).toEqual(['unknown'])
    expect(carrier.liveOf(wanted.orderId)).toHaveLength(1)
    carrier.after = async (answers) => answers
    expect((await two.create(wanted)).map(codeOf)).toEqual(['done'])
    expect(carrier.liveOf(wanted.orderId)).toHaveLength(1)
  })

  it('is refused after a cancel that came first', async () => {
    const { one, carrier } = depot.open()
    const wanted = command()
    const before = await one.cancel(wanted.orderId)
    expect(before.get(wanted.orderId)).toMatchObject({ off: true, shipments: [] })
    expect((await one.create(wanted)).map(codeOf)).toEqual(['shipments_cancelled'])
    expect(carrier.asked).toEqual([])
    expect(await depot.statusesOf(wanted.orderId)).toEqual({ order: 'cancelled', shipments: [] })
  })

  it('is refused when the order is cancelled while the carrier books it', async () => {
    const { one, two, carrier } = depot.open()
    const wanted = command()
    carrier.before = () => two.cancel(wanted.orderId)
    expect((await one.create(wanted)).map(codeOf)).toEqual(['shipments_cancelled'])
    expect(await depot.statusesOf(wanted.orderId)).toEqual({ order: 'cancelled', shipments: ['cancelled'] })
  })

  it('writes nothing for an empty batch', async () => {
    expect(await depot.open().one.create()).toEqual([])
    expect((await depot.open().one.cancel()).size).toBe(0)
    expect(await depot.statusesOf(newId())).toEqual({ order: undefined, shipments: [] })
  })
})
