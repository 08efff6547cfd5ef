import { newId } from '../../src/platform/ids.ts'
import type { Answer } from '../../src/platform/outcome.ts'
import { type Database, openDatabase, sql } from '../../src/platform/postgres.ts'
import type { BookAnswer, BookRequest, CancelAnswer, Carrier } from '../../src/shipping/carrier.ts'
import { simulatedCarrier } from '../../src/shipping/carriers/simulated.ts'
import { createShipments } from '../../src/shipping/create.ts'
import type { CreateCommand, ShipmentRow } from '../../src/shipping/store.ts'
import * as store from '../../src/shipping/store.ts'
import { testDatabase } from '../support/database.ts'

/** A carrier with a book: what is booked there now, whatever we believe. `before` and `after` stand between us and its answer. */
export class BookKeepingCarrier implements Carrier {
  readonly live = new Set<string>()
  readonly asked: string[][] = []
  before: (requests: readonly BookRequest[]) => Promise<unknown> = async () => {}
  after: (answers: readonly BookAnswer[], requests: readonly BookRequest[]) => Promise<readonly BookAnswer[]> = async (answers) => answers
  cancelled: (ids: readonly string[]) => Promise<readonly CancelAnswer[]> = async (ids) => ids.map(() => ({ kind: 'cancelled' }))
  readonly #real = simulatedCarrier()

  async book(requests: readonly BookRequest[]): Promise<readonly BookAnswer[]> {
    this.asked.push(requests.map((request) => request.shipmentId))
    await this.before(requests)
    const answers = await this.#real.book(requests)
    for (const [i, request] of requests.entries()) if (answers[i]?.kind === 'booked') this.live.add(request.shipmentId)
    return this.after(answers, requests)
  }

  async cancel(ids: readonly string[]): Promise<readonly CancelAnswer[]> {
    const answers = await this.cancelled(ids)
    for (const [i, id] of ids.entries()) if (answers[i]?.kind === 'cancelled') this.live.delete(id)
    return answers
  }

  liveOf = (orderId: string): string[] => [...this.live].filter((id) => id.startsWith(orderId)).sort()
}

export const parcel = (locationId = 'madrid', weightGrams = 500): CreateCommand['parcels'][number] => ({
  locationId,
  weightGrams,
  items: [{ product_id: 'a1', quantity: 2 }],
})

export const address = (country = 'ES') => ({
  name: 'Ana',
  line1: 'Calle Mayor 1',
  line2: '',
  city: 'Madrid',
  region: '',
  postal_code: '28013',
  country,
})

export const command = (changes: Partial<CreateCommand> = {}): CreateCommand => ({
  orderId: newId(),
  shippingMethod: 'standard',
  address: address(),
  parcels: [parcel()],
  ...changes,
})

export const codeOf = (answer: Answer<unknown> | store.Moved | undefined): string | undefined => {
  if (!answer) return undefined
  if ('code' in answer) return answer.code
  return 'kind' in answer ? answer.kind : 'done'
}
export const shipmentsOf = (answer: Answer<ShipmentRow[]> | undefined): ShipmentRow[] => {
  if (answer?.kind !== 'done') throw new Error(`not done but ${JSON.stringify(answer)}`)
  return answer.value
}

/** One instance of the shipping service, without the network. */
export const instance = (db: Database, carrier: Carrier) => ({
  db,
  create: (...commands: CreateCommand[]) => createShipments({ db, carrier }, commands),
  cancel: (...orderIds: string[]) => store.cancelShipments(db, orderIds),
  move: (to: 'dispatch' | 'deliver', ...ids: string[]) => store.moveShipments(db, ids, to),
})

/** A database with two instances on it, each with its own connections, and one carrier. */
export async function openDepot() {
  const database = await testDatabase('shipping')
  const second = openDatabase(database.url, { max: 4 })
  const statusesOf = async (orderId: string) => {
    const [order] = await database.db.query<{ status: string }>(sql`select status from order_shipments where order_id = ${orderId}`)
    const found = await database.db.query<{ status: string }>(sql`select status from shipments where order_id = ${orderId} order by number`)
    return { order: order?.status, shipments: found.map((row) => row.status) }
  }
  const factsOf = async (orderId: string) =>
    (
      await database.db.query<{ fact: string }>(sql`
      select number || ' ' || status as fact from facts where order_id = ${orderId} order by id`)
    ).map((row) => row.fact)
  return {
    url: database.url,
    db: database.db,
    second,
    statusesOf,
    factsOf,
    /** Both instances, with a fresh carrier. */
    open() {
      const carrier = new BookKeepingCarrier()
      return { carrier, one: instance(database.db, carrier), two: instance(second, carrier) }
    },
    async close() {
      await second.close()
      await database.drop()
    },
  }
}
export type Depot = Awaited<ReturnType<typeof openDepot>>
