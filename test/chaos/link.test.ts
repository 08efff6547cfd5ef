import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openDatabase, sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'
import { type Link, openLink } from './link.ts'
import type { Swallowed } from './postgres-wire.ts'

/** The wire through which chaos cuts, with a real PostgreSQL at its end and the product's own client at the other. */
let database: TestDatabase
let link: Link
let db: Database
let swallowed: Swallowed[]
beforeAll(async () => {
  database = await testDatabase('inventory')
  await database.db.query(sql`create table marks (n int primary key)`)
})
afterAll(() => database.drop())
beforeEach(async () => {
  await database.db.query(sql`truncate marks`)
  swallowed = []
  const { port } = new URL(database.url)
  link = await openLink({ name: 'test', to: Number(port), listensToPostgres: true, onSwallow: (what) => swallowed.push(what) })
  db = openDatabase(Object.assign(new URL(database.url), { port: String(link.port) }).toString(), { max: 1 })
  expect(await db.query(sql`select 1 as one`)).toEqual([{ one: 1 }])
})
afterEach(async () => {
  link.heal()
  await db.close()
  await link.close()
})

const marks = async () => (await database.db.query<{ n: number }>(sql`select n from marks order by n`)).map(({ n }) => n)
const markInTransaction = (n: number) =>
  db.transaction(async (tx) => {
    await tx.query(sql`select n from marks for update`)
    tx.write(sql`insert into marks values (${n})`)
  })

describe('a link that swallows the reply of a commit', () => {
  it('loses the reply and nothing else: the transaction is there, and its client does not know', async () => {
    link.swallowCommit()
    await expect(markInTransaction(1)).rejects.toThrow()
    expect(swallowed).toEqual(['commit'])
    expect(await marks()).toEqual([1])
    await markInTransaction(2)
    expect(await marks()).toEqual([1, 2])
  })

  it('does the same to a single statement that writes, which commits by itself', async () => {
    link.swallowCommit()
    await expect(db.query(sql`insert into marks values (1)`)).rejects.toThrow()
    expect(swallowed).toEqual(['single statement'])
    expect(await marks()).toEqual([1])
  })

  it('knows a statement that was prepared before', async () => {
    const mark = (n: number) => db.query(sql`insert into marks values (${n})`)
    await mark(1)
    link.swallowCommit()
    await expect(mark(2)).rejects.toThrow()
    expect(await marks()).toEqual([1, 2])
  })

  it('lets reads, failures and rollbacks pass, and waits for a commit', async () => {
    link.swallowCommit()
    expect(await db.query(sql`select n from marks`)).toEqual([])
    await expect(db.query(sql`insert into marks values (1), (1)`)).rejects.toMatchObject({ code: '23505' })
    await expect(
      db.transaction(async (tx) => {
        await tx.query(sql`insert into marks values (5)`)
        throw new Error('changed my mind')
      }),
    ).rejects.toThrow('changed my mind')
    expect(swallowed).toEqual([])
    await expect(markInTransaction(3)).rejects.toThrow()
    expect(swallowed).toEqual(['commit'])
    expect(await marks()).toEqual([3])
  })
})

describe('a link', () => {
  it('breaks its connections, and new ones work', async () => {
    const waiting = db.query(sql`select pg_sleep(60)`)
    await until('the statement to run', () => isRunning())
    link.reset()
    await expect(waiting).rejects.toThrow()
    expect(await db.query(sql`select 1 as one`)).toEqual([{ one: 1 }])
  })

  it('that hangs answers nobody, also when the statement was carried out; healed it breaks what hung', async () => {
    link.hang('answers')
    const waiting = db.query(sql`insert into marks values (1)`).then(
      () => 'answered',
      () => 'broken',
    )
    await until('the row to be there', async () => (await marks()).length === 1)
    link.heal()
    expect(await waiting).toBe('broken')
    expect(await db.query(sql`select 1 as one`)).toEqual([{ one: 1 }])
  })

  it('leads to another port when it is told so', async () => {
    link.leadsTo(1)
    link.reset()
    await expect(db.query(sql`select 1`)).rejects.toThrow()
    link.leadsTo(Number(new URL(database.url).port))
    await until('it to work again', () => db.query(sql`select 1 as one`).catch(() => undefined))
  })

  it('carries more than a buffer holds, whole', async () => {
    const client = new pg.Client({ connectionString: Object.assign(new URL(database.url), { port: String(link.port) }).toString() })
    await client.connect()
    const { rows } = await client.query(`select repeat('x', 5000000) as long, 'end' as last`)
    expect([rows[0].long.length, rows[0].last]).toEqual([5_000_000, 'end'])
    await client.end()
  })
})

async function isRunning(): Promise<boolean> {
  const found = await database.db.query(sql`
    select 1 from pg_stat_activity where state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()`)
  return found.length > 0
}
