import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { migrate } from '../../src/platform/migrate.ts'
import { sql } from '../../src/platform/postgres.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

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
})
