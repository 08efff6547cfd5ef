import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { isDatabaseDown, openDatabase, rows, sql, sqlState, type Transaction } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const PATIENCE = { timeout: 20_000, interval: 30 }

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase('inventory')
  await database.db.query(sql`create table numbers (id int primary key, n bigint not null check (n >= 0))`)
})
afterAll(() => database.drop())
beforeEach(async () => {
  await database.db.query(sql`truncate numbers`)
  await database.db.query(sql`insert into numbers values (1, 10), (2, 20)`)
})

const numberOf = async (id: number) => (await database.db.query<{ n: number }>(sql`select n from numbers where id = ${id}`))[0]?.n
const setNumber = (id: number, n: number) => sql`update numbers set n = ${n} where id = ${id}`
const failure = async (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => new Error('it did not fail'),
    (error) => error,
  )

/** Lets `parties` callers through together. */
function meeting(parties: number): () => Promise<void> {
  let open = () => {}
  const met = new Promise<void>((resolve) => {
    open = resolve
  })
  return () => {
    if (--parties <= 0) open()
    return met
  }
}

describe('a transaction', () => {
  it('commits queries and writes together and answers what its work answers', async () => {
    const answer = await database.db.transaction(async (tx) => {
      tx.write(setNumber(1, 11))
      const [seen] = await tx.query<{ n: number }>(sql`select n from numbers where id = 1`)
      tx.write(setNumber(2, 21))
      return seen?.n
    })
    expect([answer, await numberOf(1), await numberOf(2)]).toEqual([11, 11, 21])
  })

  it('fails with the first cause when a write fails, and leaves nothing behind', async () => {
    const error = await failure(
      database.db.transaction(async (tx) => {
        tx.write(setNumber(1, 99))
        tx.write(setNumber(2, -1))
        tx.write(setNumber(1, 98))
        return 'looks fine'
      }),
    )
    expect(sqlState(error)).toBe('23514')
    expect([await numberOf(1), await numberOf(2)]).toEqual([10, 20])
  })

  it('fails with the first cause also when a later query reports only that the transaction is aborted', async () => {
    const error = await failure(
      database.db.transaction(async (tx) => {
        tx.write(setNumber(2, -1))
        await tx.query(sql`select 1`)
      }),
    )
    expect(sqlState(error)).toBe('23514')
  })

  it('is an error when PostgreSQL answers the commit with a rollback, even if the work swallowed the failure', async () => {
    const error = await failure(
      database.db.transaction(async (tx) => {
        tx.write(setNumber(1, 99))
        await tx.query(setNumber(2, -1)).catch(() => {})
        return 'swallowed'
      }),
    )
    expect(sqlState(error)).toBe('23514')
    expect(await numberOf(1)).toBe(10)
  })

  it('rolls back and passes the error on when its work throws', async () => {
    const error = await failure(
      database.db.transaction(async (tx) => {
        tx.write(setNumber(1, 99))
        throw new Error('changed my mind')
      }),
    )
    expect(error.message).toBe('changed my mind')
    expect(await numberOf(1)).toBe(10)
  })

  it('is tried again after a deadlock', async () => {
    let runs = 0
    const bothHoldOne = meeting(2)
    const lockBoth = (first: number, second: number) =>
      database.db.transaction(async (tx: Transaction) => {
        runs++
        await tx.query(sql`select 1 from numbers where id = ${first} for update`)
        await bothHoldOne()
        await tx.query(sql`update numbers set n = n + 1 where id = ${second}`)
      })
    await Promise.all([lockBoth(1, 2), lockBoth(2, 1)])
    expect(runs).toBeGreaterThan(2)
    expect([await numberOf(1), await numberOf(2)]).toEqual([11, 21])
  })

  it('is tried again after a serialisation failure', async () => {
    let runs = 0
    await database.db.transaction(async (tx) => {
      await tx.query(sql`set transaction isolation level repeatable read`)
      const [seen] = await tx.query<{ n: number }>(sql`select n from numbers where id = 1`)
      if (++runs === 1) await database.db.query(setNumber(1, 50))
      tx.write(setNumber(1, (seen?.n ?? 0) + 1))
    })
    expect([runs, await numberOf(1)]).toEqual([2, 51])
  })

  it('is tried again on a state that the caller names, and only then', async () => {
    let runs = 0
    const insertTwice = (options?: { retryOn: string[] }) =>
      database.db.transaction(async (tx) => {
        tx.write(sql`insert into numbers values (${++runs === 1 ? 1 : 3}, 0)`)
      }, options)
    expect(sqlState(await failure(insertTwice()))).toBe('23505')
    runs = 0
    await insertTwice({ retryOn: ['23505'] })
    expect([runs, await numberOf(3)]).toEqual([2, 0])
  })

  it('gives up after a few tries', async () => {
    let runs = 0
    const error = await failure(
      database.db.transaction(
        async (tx) => {
          runs++
          tx.write(sql`insert into numbers values (1, 0)`)
        },
        { retryOn: ['23505'] },
      ),
    )
    expect([sqlState(error), runs]).toEqual(['23505', 5])
  })
})

describe('a lost connection', () => {
  let outside: pg.Client
  beforeAll(async () => {
    outside = new pg.Client({ connectionString: database.url })
    await outside.connect()
  })
  afterAll(() => outside.end())

  const kill = (pid: number | undefined) => outside.query('select pg_terminate_backend($1::int)', [pid])
  const ownPid = async (tx: Transaction) => (await tx.query<{ pid: number }>(sql`select pg_backend_pid() as pid`))[0]?.pid

  it('in the middle of a transaction rejects it as "database down", and the pool recovers', async () => {
    const error = await failure(
      database.db.transaction(async (tx) => {
        tx.write(setNumber(1, 99))
        await kill(await ownPid(tx))
        tx.write(setNumber(2, 99))
      }),
    )
    expect(isDatabaseDown(error)).toBe(true)
    expect([await numberOf(1), await numberOf(2)]).toEqual([10, 20])
  })

  it('of an idle client ends nothing but that client', async () => {
    const pid = await database.db.transaction(ownPid)
    await kill(pid)
    await vi.waitFor(async () => expect(await numberOf(1)).toBe(10), PATIENCE)
    expect(await database.db.transaction(ownPid)).not.toBe(pid)
  })

  it('of all clients rejects what was in flight as "database down", and later work goes through', async () => {
    const flying = Array.from({ length: 4 }, () => failure(database.db.query(sql`select pg_sleep(20)`)))
    const sleeping = `from pg_stat_activity where datname = current_database() and query like 'select pg_sleep%'`
    await vi.waitFor(async () => expect((await outside.query(`select pid ${sleeping}`)).rowCount).toBe(4), PATIENCE)
    await outside.query(`select pg_terminate_backend(pid) ${sleeping}`)
    for (const error of await Promise.all(flying)) expect(isDatabaseDown(error)).toBe(true)
    expect(await numberOf(2)).toBe(20)
  })
})

describe('a database', () => {
  it('that has no room left stores nothing, is told as "database down", and works again when there is room', async () => {
    const { db } = database
    await db.query(sql`create function no_room() returns trigger language plpgsql as
      $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$`)
    await db.query(sql`create trigger no_room before update on numbers for each row when (new.n = 99) execute function no_room()`)
    const full = db.transaction(async (tx) => {
      tx.write(setNumber(1, 11))
      tx.write(setNumber(2, 99))
    })
    expect(isDatabaseDown(await failure(full))).toBe(true)
    expect([await numberOf(1), await numberOf(2)]).toEqual([10, 20])
    await db.query(sql`drop trigger no_room on numbers`)
    await db.transaction(async (tx) => tx.write(setNumber(2, 99)))
    expect(await numberOf(2)).toBe(99)
  })
})

describe('a standby', () => {
  it('or a primary that has become one is told as "database down", and its connections are not used again', async () => {
    const admin = new pg.Client({ connectionString: database.url })
    await admin.connect()
    const name = pg.escapeIdentifier(new URL(database.url).pathname.slice(1))
    // A session takes this over when it begins: one that stays in the pool goes on refusing.
    await admin.query(`alter database ${name} set default_transaction_read_only = on`)
    const db = openDatabase(database.url, { max: 1 })
    expect(isDatabaseDown(await failure(db.transaction(async (tx) => tx.write(setNumber(1, 11)))))).toBe(true)
    expect(isDatabaseDown(await failure(db.query(setNumber(1, 11))))).toBe(true)
    await admin.query('set default_transaction_read_only = off')
    await admin.query(`alter database ${name} reset default_transaction_read_only`)
    await db.transaction(async (tx) => tx.write(setNumber(1, 12)))
    expect(await numberOf(1)).toBe(12)
    await Promise.all([db.close(), admin.end()])
  })
})

describe('values', () => {
  it('beyond 2^53 are refused, not rounded', async () => {
    expect(await database.db.query(sql`select 9007199254740991::bigint as n`)).toEqual([{ n: Number.MAX_SAFE_INTEGER }])
    await expect(database.db.query(sql`select 9007199254740993::bigint as n`)).rejects.toThrow(/beyond 2\^53/)
    await expect(database.db.transaction((tx) => tx.query(sql`select (-9007199254740993)::bigint as n`))).rejects.toThrow(/beyond 2\^53/)
    expect(await numberOf(1)).toBe(10)
  })

  it('travel as parameters, so that text can never become SQL', async () => {
    const evil = `'; drop table numbers; --`
    expect(await database.db.query(sql`select ${evil}::text as t`)).toEqual([{ t: evil }])
    expect(await numberOf(1)).toBe(10)
  })

  it('come as many rows in one parameter', async () => {
    const list = [
      { id: 1, name: 'a "quoted" näme' },
      { id: 2, name: null },
    ]
    expect(await database.db.query(sql`select id, name from jsonb_to_recordset(${rows(list)}) as r(id int, name text)`)).toEqual(list)
  })
})

describe('a prepared name', () => {
  it('is the same for every call of one statement and another for another text', () => {
    const statement = (n: number) => sql`select ${n}::int as n, ${'x'}::text as t`
    expect(statement(1)).toEqual({ ...statement(2), values: [1, 'x'] })
    expect(statement(1).text).toBe('select $1::int as n, $2::text as t')
    expect(sql`select 1`.name).not.toBe(sql`select 2`.name)
    expect(statement(1).name.length).toBeLessThan(64)
  })

  it('is prepared once for a connection, however often it runs', async () => {
    const counts = await database.db.transaction(async (tx) => {
      const once = (n: number) => tx.query(sql`select ${n}::int as prepared_once`)
      await Promise.all([once(1), once(2), once(3)])
      return tx.query<{ count: number }>(sql`select count(*) from pg_prepared_statements where statement like '%prepared_once'`)
    })
    expect(counts).toEqual([{ count: 1 }])
  })
})

it('statements are prepared again when a table has got another column', async () => {
  const one = openDatabase(database.url, { max: 1 })
  const read = (from: Pick<Transaction, 'query'>) => from.query(sql`select * from plans`)
  await database.db.query(sql`create table plans (id int)`)
  await database.db.query(sql`insert into plans values (1)`)
  expect([await read(one), await one.transaction(read)]).toEqual([[{ id: 1 }], [{ id: 1 }]])
  await database.db.query(sql`alter table plans add column note text`)
  expect(await read(one)).toEqual([{ id: 1, note: null }])
  await database.db.query(sql`alter table plans add column more text`)
  expect(await one.transaction(read)).toEqual([{ id: 1, note: null, more: null }])
  await one.close()
})
