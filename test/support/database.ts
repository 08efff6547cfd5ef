import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { DatabaseName } from '../../src/platform/config.ts'
import { migrate } from '../../src/platform/migrate.ts'
import { type Database, openDatabase } from '../../src/platform/postgres.ts'

/** A real database of its own for one test file, migrated for one service. Call `drop` in afterAll. */
export type TestDatabase = { url: string; db: Database; drop(): Promise<void> }

export async function testDatabase(service: DatabaseName): Promise<TestDatabase> {
  const server = process.env.TEST_POSTGRES_URL
  if (!server) throw new Error('TEST_POSTGRES_URL is unset: tests run through npm test')
  const name = `test_${service}_${randomBytes(5).toString('hex')}`
  await onServer(server, `create database ${name}`)
  const url = Object.assign(new URL(server), { pathname: `/${name}` }).toString()
  await migrate(url, new URL(`../../src/${service}/migrations`, import.meta.url).pathname)
  const db = openDatabase(url, { max: 4 })
  return {
    url,
    db,
    drop: async () => {
      await db.close()
      await onServer(server, `drop database ${name} with (force)`)
    },
  }
}

async function onServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
