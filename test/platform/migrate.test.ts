import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ensureSchema, migrate, migrationsOf, pendingMigrations, SchemaBehindError } from '../../src/platform/migrate.ts'
import { sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let folder: string
beforeAll(async () => {
  database = await testDatabase('inventory')
})
afterAll(() => database.drop())
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'migrate-'))
  await database.db.query(sql`drop table if exists steps`)
  await database.db.query(sql`truncate migrations`)
})
afterEach(() => rm(folder, { recursive: true }))

const file = (name: string, text: string) => writeFile(join(folder, name), text)
const steps = () => database.db.query(sql`select n from steps order by at`)

describe('migrate', () => {
  it('runs the numbered files in order, and each once', async () => {
    await file('0002_two.sql', 'insert into steps values (2)')
    await file('0001_one.sql', 'create table steps (n int, at timestamptz default clock_timestamp()); insert into steps values (1);')
    await file('README.md', 'not SQL')
    expect(await migrate(database.url, folder)).toEqual(['0001_one.sql', '0002_two.sql'])
    expect(await migrate(database.url, folder)).toEqual([])
    await file('0003_three.sql', 'insert into steps values (3)')
    expect(await migrate(database.url, folder)).toEqual(['0003_three.sql'])
    expect(await steps()).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
  })

  it('runs each file once when several processes start at once', async () => {
    await file('0001_one.sql', 'create table steps (n int, at timestamptz default clock_timestamp()); insert into steps values (1);')
    const ran = await Promise.all(Array.from({ length: 5 }, () => migrate(database.url, folder)))
    expect(ran.flat()).toEqual(['0001_one.sql'])
    expect(await steps()).toEqual([{ n: 1 }])
  })

  it('leaves nothing of a file that fails, names it, and runs it again when it is mended', async () => {
    await file('0001_one.sql', 'create table steps (n int, at timestamptz default clock_timestamp());')
    await file('0002_bad.sql', 'insert into steps values (2); insert into nowhere values (1);')
    await expect(migrate(database.url, folder)).rejects.toThrow(/0002_bad\.sql.*nowhere/)
    expect(await steps()).toEqual([])
    await file('0002_bad.sql', 'insert into steps values (2);')
    expect(await migrate(database.url, folder)).toEqual(['0002_bad.sql'])
  })

  it('tells what is missing, and runs nothing, also on a database that has never seen a migration', async () => {
    await file('0001_one.sql', 'create table steps (n int, at timestamptz default clock_timestamp());')
    await file('0002_two.sql', 'insert into steps values (2);')
    await database.db.query(sql`drop table migrations`)
    expect(await pendingMigrations(database.url, folder)).toEqual(['0001_one.sql', '0002_two.sql'])
    expect(await database.db.query(sql`select to_regclass('migrations') as migrations, to_regclass('steps') as steps`)).toEqual([
      { migrations: null, steps: null },
    ])
    await migrate(database.url, folder)
    await file('0003_three.sql', 'insert into steps values (3);')
    expect(await pendingMigrations(database.url, folder)).toEqual(['0003_three.sql'])
  })

  it('lets others through while a table it needs is in use, and goes on when that is free', async () => {
    await file('0001_one.sql', 'create table steps (n int, at timestamptz default clock_timestamp());')
    await migrate(database.url, folder)
    await file('0002_wide.sql', 'alter table steps add column note text;')
    const holder = new pg.Client({ connectionString: database.url })
    await holder.connect()
    await holder.query('begin; lock table steps in access share mode')
    const migrated = migrate(database.url, folder)
    const waits = sql`select 1 from pg_stat_activity where application_name = 'comanda migrate' and wait_event_type = 'Lock'`
    await until('the migration to wait', async () => (await database.db.query(waits)).length > 0)
    await until('the migration to step back', async () => (await database.db.query(waits)).length === 0)
    await holder.query('commit')
    await holder.end()
    expect(await migrated).toEqual(['0002_wide.sql'])
  })
})

describe('a service that may not migrate', () => {
  let fresh: TestDatabase
  beforeAll(async () => {
    fresh = await testDatabase('orders')
  })
  afterAll(() => fresh.drop())

  it('starts on a schema that is up to date, or newer', async () => {
    await ensureSchema('orders', fresh.url, 'off')
    await fresh.db.query(sql`insert into migrations (name) values ('9999_of_a_later_version.sql')`)
    await ensureSchema('orders', fresh.url, 'off')
  })

  it('is told what is missing and what to run, and changes nothing', async () => {
    const [last] = await fresh.db.query<{ name: string }>(
      sql`delete from migrations where name = (select max(name) from migrations where name < '9999') returning name`,
    )
    const refusal = ensureSchema('orders', fresh.url, 'off')
    await expect(refusal).rejects.toThrow(SchemaBehindError)
    await expect(refusal).rejects.toThrow(
      `the schema of orders is behind: ${last?.name} has not run, and MIGRATE is off; run "comanda migrate orders"`,
    )
    expect(await pendingMigrations(fresh.url, migrationsOf('orders'))).toEqual([last?.name])
  })
})
