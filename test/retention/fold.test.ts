import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { checks } from '../../src/audit/checks.ts'
import { receiveStock } from '../../src/inventory/catalogue-store.ts'
import { commitStock, releaseStock, reserveStock } from '../../src/inventory/store.ts'
import { newId } from '../../src/platform/ids.ts'
import { silentLog } from '../../src/platform/log.ts'
import { type Database, openDatabase, sql } from '../../src/platform/postgres.ts'
import { startRetention, trimNow } from '../../src/retention/retention.ts'
import { movements } from '../../src/retention/trims.ts'
import { codeOf, order, stocked } from '../inventory/warehouse.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'

/** The ledger of stock, folded: what is old goes into opening balances, and nothing that the audit needs is lost. */

const DAYS = 30
let database: TestDatabase
let db: Database
let product: string
beforeAll(async () => {
  database = await testDatabase('inventory')
  db = database.db
})
afterAll(() => database.drop())
beforeEach(async () => {
  product = await stocked(db, { east: 1_000, west: 10 })
})

/** An order for two units that has gone so far. */
async function ordered(upTo: 'held' | 'committed' | 'released', units = 2): Promise<string> {
  const command = order({ [product]: units }, newId())
  await reserveStock(db, [command])
  if (upTo === 'committed') await commitStock(db, [{ orderId: command.orderId, locationIds: ['east', 'west'] }])
  if (upTo === 'released') await releaseStock(db, [command.orderId])
  return command.orderId
}
/** As if all of it had been so many days ago. */
const age = (ids: readonly string[], days = DAYS + 1) =>
  db.transaction(async (tx) => {
    // The ledger refuses to be changed: here its triggers sleep for a moment.
    tx.write(sql`select set_config('session_replication_role', 'replica', true)`)
    tx.write(sql`
      update movements set at = now() - ${days}::int * interval '1 day' where order_id = any(${ids}::uuid[])
        -- what was written before is no younger
        or (${days}::int > 0 and id < (select max(id) from movements where order_id = any(${ids}::uuid[])))`)
    tx.write(sql`update reservations set updated_at = now() - ${days}::int * interval '1 day' where order_id = any(${ids}::uuid[])`)
  })
const kindsOf = async (id: string) =>
  (await db.query<{ kind: string }>(sql`select kind from movements where order_id = ${id} order by id`)).map(({ kind }) => kind)
const balance = async () =>
  (
    await db.query<{ location_id: string; on_hand: number; reserved: number; movements: number }>(sql`
      select location_id, on_hand, reserved, movements from opening_balances where product_id = ${product} order by location_id`)
  )[0]
const fold = () => trimNow(movements, { db, days: DAYS })
const onePage = (after = 0, limit = 100_000) => movements.page(db, { days: DAYS, after, limit })
const ids = (length: number, make: () => Promise<string>) => Promise.all(Array.from({ length }, make))

/** What the audit of stock finds wrong at this instant. */
async function broken(on = db): Promise<unknown[]> {
  const found = await Promise.all(
    checks
      .filter((check) => check.on === 'inventory')
      .map(async ({ id, query }) => (await on.query({ name: id, text: query, values: [] })).map((row) => ({ id, row }))),
  )
  return found.flat()
}

describe('folding', { timeout: 120_000 }, () => {
  it('takes the movements of orders that ended long ago, and the audit finds every unit', async () => {
    const [gone, back, young] = [await ordered('committed', 3), await ordered('released'), await ordered('committed')]
    await age([gone, back])
    const before = await broken()
    expect(await fold()).toBe(4)
    expect([await kindsOf(gone), await kindsOf(back), await kindsOf(young)]).toEqual([[], [], ['reserved', 'committed']])
    expect(await balance()).toEqual({ location_id: 'east', on_hand: -3, reserved: 0, movements: 4 })
    expect([before, await broken()]).toEqual([[], []])
    expect(await fold()).toBe(0)
  })

  it('adds to the balance that there is', async () => {
    for (const units of [3, 4]) {
      await age([await ordered('committed', units)])
      await fold()
    }
    expect(await balance()).toEqual({ location_id: 'east', on_hand: -7, reserved: 0, movements: 4 })
    expect(await broken()).toEqual([])
  })

  it('never touches an order whose stock is held, however old it looks', async () => {
    const held = await ordered('held')
    const half = order({ [product]: 1_005 }, newId())
    await reserveStock(db, [half])
    await commitStock(db, [{ orderId: half.orderId, locationIds: ['west'] }])
    await age([held, half.orderId], 10_000)
    await fold()
    expect([(await kindsOf(held)).length, (await kindsOf(half.orderId)).length]).toEqual([1, 3])
    await releaseStock(db, [held])
    await commitStock(db, [{ orderId: half.orderId, locationIds: ['east'] }])
    await age([held, half.orderId])
    expect(await fold()).toBe(6)
    expect(await broken()).toEqual([])
  })

  it('keeps goods that came in, with their reasons', async () => {
    await receiveStock(db, [{ receiptId: newId(), productId: product, locationId: 'east', quantity: 5, reason: 'a late lorry' }])
    await fold()
    const found = await db.query(sql`select reason from movements where product_id = ${product} and kind = 'received'`)
    expect(found).toContainEqual({ reason: 'a late lorry' })
  })

  it('leaves every repeat its first answer', async () => {
    const [gone, back] = [await ordered('committed'), await ordered('released')]
    const again = async () => [
      ...(await reserveStock(db, [order({ [product]: 2 }, gone), order({ [product]: 2 }, back)])),
      ...(await commitStock(db, [{ orderId: gone, locationIds: ['east'] }])),
      ...(await releaseStock(db, [gone, back])),
    ]
    const answers = await again()
    await age([gone, back])
    await fold()
    expect(await again()).toEqual(answers)
    expect(answers.map(codeOf)).toEqual(['done', 'order_released', 'done', 'stock_committed', 'done'])
    expect(await broken()).toEqual([])
  })

  it('goes on where a page ended, also in the middle of an order', async () => {
    const many = await ids(5, () => ordered('committed'))
    await age(many)
    let [after, gone]: [number | null, number] = [0, 0]
    for (; after !== null; ) {
      const page = await onePage(after, 3)
      gone += page.gone ?? 0
      after = page.next
      expect(await broken()).toEqual([])
    }
    expect(gone).toBe(10)
  })

  it('keeps for longer, and never shorter, where clocks went wrong', async () => {
    const [ahead, right] = [await ordered('committed'), await ordered('committed')]
    // Written while the clock of the database was years ahead: it ended in the future.
    await age([ahead], -1_000)
    await age([right])
    expect(await fold()).toBe(2)
    expect([(await kindsOf(ahead)).length, (await kindsOf(right)).length]).toEqual([2, 0])
    // And while it was years behind: older than it is, but ended all the same.
    const behind = await ordered('committed')
    await age([behind], 3_000)
    expect(await fold()).toBe(2)
    expect(await broken()).toEqual([])
  })

  it('refuses to fold what is younger than a day', async () => {
    await expect(movements.page(db, { days: 0, after: 0, limit: 10 })).rejects.toThrow('of the last day')
  })

  it('counts what would go, without touching it', async () => {
    const before = await movements.count(db, DAYS)
    await age([await ordered('committed')])
    expect(await movements.count(db, DAYS)).toEqual({ rows: before.rows + 2, old: before.old + 2 })
    expect(await fold()).toBe(before.old + 2)
  })
})

describe('when it dies, and when there are two', { timeout: 120_000 }, () => {
  const session = async () => {
    const client = new pg.Client({ connectionString: database.url })
    client.on('error', () => {})
    await client.connect()
    return client
  }

  it('a process that dies before the commit has folded nothing', async () => {
    const id = await ordered('committed')
    await age([id])
    const dying = await session()
    await dying.query('begin')
    const { rows } = await dying.query(`select folded from fold_movements(interval '${DAYS} days', 0, 100000)`)
    expect(Number(rows[0]?.folded)).toBe(2)
    const pid = (await dying.query('select pg_backend_pid() as pid')).rows[0]?.pid as number
    await db.query(sql`select pg_terminate_backend(${pid}::int)`)
    await until('its session to be gone', async () => {
      const left = await db.query(sql`select 1 from pg_stat_activity where pid = ${pid}::int`)
      return left.length === 0
    })
    expect([await kindsOf(id), await balance()]).toEqual([['reserved', 'committed'], undefined])
    expect(await fold()).toBe(2)
    expect(await broken()).toEqual([])
  })

  it('the second at the same time does nothing, and waits for nobody', async () => {
    await age([await ordered('committed')])
    const first = await session()
    await first.query('begin')
    await first.query(`select fold_movements(interval '${DAYS} days', 0, 100000)`)
    expect(await onePage()).toEqual({ next: null, gone: null })
    await first.query('commit')
    await first.end()
    expect(await onePage()).toMatchObject({ gone: 0 })
  })

  it('many replicas fold each movement once', async () => {
    const many = await ids(20, () => ordered('committed'))
    await age(many)
    const gone = await Promise.all([fold(), fold(), fold()])
    expect(gone.reduce((sum, one) => sum + one, 0)).toBe(40)
    expect(await balance()).toMatchObject({ on_hand: -40, movements: 40 })
    expect(await broken()).toEqual([])
  })

  it('beside orders that come and go, two replicas leave the audit clean at every instant', async () => {
    const other = openDatabase(database.url, { max: 4, settings: { enable_seqscan: 'on', enable_hashjoin: 'on' } })
    const wish = { databaseUrl: database.url, days: DAYS, log: silentLog(), roundsMs: 1, pagesMs: 1, limit: 7 }
    const loops = [startRetention(movements, wish), startRetention(movements, wish)]
    try {
      const found: unknown[] = []
      for (let round = 0; round < 10; round++) {
        const made = ids(6, () => ordered(round % 3 === 0 ? 'released' : 'committed')).then((made) => age(made))
        found.push(...(await broken(other)))
        await made
        await ordered('held', 1)
      }
      await until('all that is old to be folded', async () => (await movements.count(other, DAYS)).old === 0, 90)
      expect([found, await broken(other)]).toEqual([[], []])
      expect(await balance()).toMatchObject({ movements: 120, reserved: 0 })
    } finally {
      await Promise.all(loops.map((loop) => loop.stop()))
      await other.close()
    }
  })
})

describe('the ledger', { timeout: 120_000 }, () => {
  it.each([
    ['movements deleted', sql`delete from movements`],
    ['movements changed', sql`update movements set on_hand_delta = 0`],
    ['movements emptied', sql`truncate movements`],
    ['a balance made', sql`insert into opening_balances values ('p', 'east', 1, 0, 1, now())`],
    ['balances changed', sql`update opening_balances set on_hand = 0`],
    ['balances deleted', sql`delete from opening_balances`],
  ])('is append-only, by hand as before: %s', async (_what, change) => {
    await expect(db.query(change)).rejects.toThrow('append-only')
  })

  it('can be folded by a user that does not own it only where the owner allows that; the service says so and goes on', async () => {
    const role = `folder_${randomBytes(4).toString('hex')}`
    const owner = openDatabase(database.url, { max: 1 })
    const run = (text: string) => owner.query({ name: '', text, values: [] })
    await run(`create role ${role} login password 'folds'`)
    await run(`grant select, insert, update, delete on all tables in schema public to ${role}`)
    const databaseUrl = Object.assign(new URL(database.url), { username: role, password: 'folds' }).toString()
    const theirs = openDatabase(databaseUrl, { max: 1 })
    try {
      const id = await ordered('committed')
      await age([id])
      const forced = [sql`select set_config('comanda.folding', 'on', true)`, sql`delete from movements`]
      await expect(theirs.transaction(async (tx) => forced.forEach(tx.write))).rejects.toThrow('append-only')
      const said: string[] = []
      const log = Object.assign(silentLog(), { warn: (_line: object, text: string) => said.push(text) })
      const loop = startRetention(movements, { databaseUrl, days: DAYS, log })
      await until('a warning', () => said.length > 0)
      await loop.stop()
      expect(said).toEqual([expect.stringContaining('run "comanda retention" as who does')])
      expect(await kindsOf(id)).toEqual(['reserved', 'committed'])
      await run(`grant execute on function fold_movements to ${role}`)
      expect(await movements.page(theirs, { days: DAYS, after: 0, limit: 100_000 })).toMatchObject({ gone: 2 })
      expect(await broken()).toEqual([])
    } finally {
      await theirs.close()
      await run(`drop owned by ${role}`)
      await run(`drop role ${role}`)
      await owner.close()
    }
  })

  it('stays as it is while no number of days is set', async () => {
    const id = await ordered('committed')
    await age([id])
    await startRetention(movements, { databaseUrl: database.url, days: undefined, log: silentLog() }).stop()
    expect(await kindsOf(id)).toEqual(['reserved', 'committed'])
  })
})
