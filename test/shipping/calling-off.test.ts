import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../src/platform/log.ts'
import { done } from '../../src/platform/outcome.ts'
import { sql } from '../../src/platform/postgres.ts'
import { type Relay, startRelay } from '../../src/shipping/relay.ts'
import { carrierCancelsDue, markCarrierTold } from '../../src/shipping/relay-store.ts'
import { until } from '../support/until.ts'
import { type BookKeepingCarrier, codeOf, command, type Depot, openDepot, parcel } from './depot.ts'

let depot: Depot
let relay: Relay | undefined
beforeAll(async () => {
  depot = await openDepot()
})
afterEach(async () => {
  await relay?.stop()
  relay = undefined
})
afterAll(() => depot.close())

const start = (carrier: BookKeepingCarrier) => {
  relay = startRelay({ db: depot.second, carrier, tellOrders: async () => done(null), log: silentLog() })
}
const isDue = async (orderId: string) =>
  (await depot.db.query<{ due: boolean }>(sql`select carrier_cancel_due as due from order_shipments where order_id = ${orderId}`))[0]?.due
const two = () => command({ parcels: [parcel('madrid'), parcel('vigo')] })

describe('what is called off', () => {
  it('is called off at the carrier too, by the next process when this one dies', async () => {
    const { one, carrier } = depot.open()
    const wanted = two()
    await one.create(wanted)
    await one.cancel(wanted.orderId)
    expect(carrier.liveOf(wanted.orderId)).toHaveLength(2)
    start(carrier)
    await until('the carrier to hear', () => carrier.liveOf(wanted.orderId).length === 0)
    await until('it to be noted', async () => !(await isDue(wanted.orderId)))
  })

  it('is told again until the carrier listens', async () => {
    const { one, carrier } = depot.open()
    const wanted = command()
    await one.create(wanted)
    let deaf = 0
    carrier.cancelled = async () => {
      deaf++
      throw new Error('busy')
    }
    await one.cancel(wanted.orderId)
    start(carrier)
    await until('a try', () => deaf > 0)
    expect(await isDue(wanted.orderId)).toBe(true)
    carrier.cancelled = async (ids) => ids.map(() => ({ kind: 'cancelled' }))
    await until('the carrier to hear', () => carrier.liveOf(wanted.orderId).length === 0)
    await until('it to be noted', async () => !(await isDue(wanted.orderId)))
  })

  it('leaves no parcel booked when the carrier refuses the other', async () => {
    const { one, carrier } = depot.open()
    const wanted = command({ parcels: [parcel('madrid'), parcel('sevilla', 1_000_001)] })
    expect((await one.create(wanted)).map(codeOf)).toEqual(['carrier_refused'])
    expect(carrier.liveOf(wanted.orderId)).toHaveLength(1)
    start(carrier)
    await until('the carrier to hear', () => carrier.liveOf(wanted.orderId).length === 0)
  })

  it('stays off when the carrier hears of the booking after it heard of the cancel', async () => {
    const { one, carrier } = depot.open()
    const wanted = two()
    start(carrier)
    carrier.before = async () => {
      await one.cancel(wanted.orderId)
      await until('the carrier to hear', async () => !(await isDue(wanted.orderId)))
    }
    expect((await one.create(wanted)).map(codeOf)).toEqual(['shipments_cancelled'])
    expect(carrier.liveOf(wanted.orderId)).toHaveLength(2)
    await until('the carrier to hear again', () => carrier.liveOf(wanted.orderId).length === 0)
  })

  it('stays off when the process that books dies before it learns of the cancel', async () => {
    const { one, carrier } = depot.open()
    const wanted = two()
    start(carrier)
    carrier.before = async () => {
      await one.cancel(wanted.orderId)
      await until('the carrier to hear', async () => !(await isDue(wanted.orderId)))
    }
    carrier.after = async () => {
      throw new Error('the process died')
    }
    await one.create(wanted)
    expect(carrier.liveOf(wanted.orderId)).toHaveLength(2)
    const [planned] = await depot.db.query<{ seconds: number }>(sql`
      select extract(epoch from carrier_cancel_at - now())::float8 as seconds from order_shipments where order_id = ${wanted.orderId}`)
    expect(planned?.seconds).toBeGreaterThan(50)
    // A minute passes.
    await depot.db.query(sql`
      update order_shipments set carrier_cancel_at = now(), carrier_cancel_again_at = now() where order_id = ${wanted.orderId}`)
    await until('the carrier to hear again', () => carrier.liveOf(wanted.orderId).length === 0)
    await until(
      'nothing to be left',
      async () =>
        (await depot.db.query(sql`select 1 from order_shipments where carrier_cancel_at is not null and order_id = ${wanted.orderId}`))
          .length === 0,
    )
  })

  it('is not taken for told when someone asks again while the carrier is told', async () => {
    const { one, carrier } = depot.open()
    const wanted = command()
    let told: Awaited<ReturnType<typeof carrierCancelsDue>> = []
    carrier.before = async () => {
      await one.cancel(wanted.orderId)
      told = (await carrierCancelsDue(depot.db, 256)).filter((cancel) => cancel.order_id === wanted.orderId)
    }
    await one.create(wanted)
    await markCarrierTold(depot.db, told)
    expect(told).toHaveLength(1)
    expect(await isDue(wanted.orderId)).toBe(true)
    await markCarrierTold(depot.db, await carrierCancelsDue(depot.db, 256))
    expect(await isDue(wanted.orderId)).toBe(false)
  })

  it('never touches the bookings of an order that another instance has created', async () => {
    const { one, two: other, carrier } = depot.open()
    const wanted = command()
    let answered = false
    carrier.after = async (answers) => {
      if (answered) return answers
      answered = true
      await other.create(wanted)
      return [{ kind: 'refused', code: 'x', message: 'the carrier changed its mind' }]
    }
    expect((await one.create(wanted)).map(codeOf)).toEqual(['done'])
    expect(await isDue(wanted.orderId)).toBe(false)
  })
})
