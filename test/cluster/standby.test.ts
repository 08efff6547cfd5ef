import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isDatabaseDown, openDatabase, sql, sqlState } from '../../src/platform/postgres.ts'
import { type Link, openLink } from '../chaos/link.ts'
import { temporaryFolder } from '../support/folder.ts'
import { until } from '../support/until.ts'
import { type DatabasePair, startDatabasePair } from './database-pair.ts'

const SLOW = 120_000
const dir = temporaryFolder('standby')
let pair: DatabasePair
/** The name under which clients know the database, wherever it is. */
let name: Link

beforeAll(async () => {
  pair = await startDatabasePair(dir, ['orders'])
  await pair.addStandby()
  name = await openLink({ name: 'orders', to: pair.port() })
}, SLOW)
afterAll(async () => {
  await name?.close()
  await pair?.stop()
  rmSync(dir, { recursive: true, force: true })
}, SLOW)

const open = () => openDatabase(Object.assign(new URL(pair.url('orders')), { port: String(name.port) }).toString())

describe('a synchronous standby', () => {
  it(
    'takes over from a primary that is killed under writers: no answered commit is lost, and they go on',
    async () => {
      const db = open()
      await db.query(sql`create table promises (id int primary key)`)
      const answered: number[] = []
      let next = 0
      let isOver = false
      const writer = async () => {
        while (!isOver) {
          const id = next++
          await db
            .transaction(async (tx) => tx.write(sql`insert into promises values (${id})`))
            .then(() => answered.push(id))
            .catch(async (error) => {
              expect(isDatabaseDown(error), `${error}`).toBe(true)
              await until('it to be worth another try', () => pair.isUp(), 60)
            })
        }
      }
      const writers = [1, 2, 3, 4].map(writer)
      await until('many to be answered', () => answered.length >= 200, 60)
      await pair.kill()
      const before = answered.length
      // The name may lead to the standby before that takes writes.
      name.leadsTo(pair.standbyPort())
      const refused = await db.query(sql`insert into promises values (-9)`).catch((error) => error)
      expect([isDatabaseDown(refused), sqlState(refused)]).toEqual([true, '25006'])
      await pair.promote()
      await until('writes to go on', () => answered.length >= before + 200, 60)
      isOver = true
      await Promise.all(writers)
      const kept = new Set((await db.query<{ id: number }>(sql`select id from promises`)).map(({ id }) => id))
      expect(answered.filter((id) => !kept.has(id))).toEqual([])
      await db.close()
    },
    SLOW,
  )

  it(
    'leaves the old primary, should it come back, unable to answer a commit',
    async () => {
      const old = openDatabase(await pair.raiseDead('orders'), { statementMs: 60_000 })
      let isAnswered = false
      const write = old.query(sql`insert into promises values (-1)`).then(
        () => {
          isAnswered = true
        },
        () => {},
      )
      const waiting = sql`select 1 from pg_stat_activity where wait_event = 'SyncRep'`
      await until('the commit to wait for a standby that is none any more', async () => (await old.query(waiting)).length > 0)
      await pair.buryRisen()
      await write
      expect(isAnswered).toBe(false)
      await old.close()
    },
    SLOW,
  )

  it(
    'is made anew from the one that took over',
    async () => {
      await pair.addStandby()
      const db = open()
      await db.query(sql`insert into promises values (-2)`)
      await pair.kill()
      await pair.promote()
      name.leadsTo(pair.port())
      const look = () => db.query<{ id: number }>(sql`select id from promises where id < 0`).catch(() => undefined)
      expect(await until('the other to answer', look)).toEqual([{ id: -2 }])
      await db.close()
    },
    SLOW,
  )
})
