import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EmbeddedPostgres, embeddedUrls, startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts'
import { temporaryFolder } from '../support/folder.ts'
import { until } from '../support/until.ts'

const dataDir = temporaryFolder('embedded')
const options = { dataDir, port: 16_500, databases: ['orders', 'payment'] }
let server: EmbeddedPostgres

async function query<T>(url: string, text: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(text)).rows as T[]
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  server = await startEmbeddedPostgres(options)
}, 60_000)

afterAll(async () => {
  await server.stop()
  rmSync(dataDir, { recursive: true, force: true })
}, 60_000)

describe('the embedded PostgreSQL', { timeout: 120_000 }, () => {
  it('is durable: fsync and synchronous_commit are on', async () => {
    expect(
      await query(server.urls.orders ?? '', "select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit"),
    ).toEqual([{ fsync: 'on', commit: 'on' }])
  })

  it('lets nobody in without its password', async () => {
    const url = Object.assign(new URL(server.urls.orders ?? ''), { password: 'guessed' }).toString()
    await expect(query(url, 'select 1')).rejects.toThrow(/password authentication failed/)
  })

  it('is found and adopted while it runs, and gets the databases it lacks', async () => {
    expect((await embeddedUrls(dataDir, ['orders']))?.orders).toBe(server.urls.orders)
    const again = await startEmbeddedPostgres({ ...options, databases: ['orders', 'shipping'] })
    expect(again).toMatchObject({ adopted: true, port: server.port })
    expect(await query(again.urls.shipping ?? '', 'select current_database() as name')).toEqual([{ name: 'shipping' }])
  })

  it('comes back with its data after kill -9 of all its processes', async () => {
    await query(server.urls.orders ?? '', 'create table kept as select 42 as answer')
    const [pid] = readFileSync(join(server.folder, 'postmaster.pid'), 'utf8').split('\n')
    process.kill(Number(pid), 'SIGKILL')
    await until('the server to be gone', async () => (await embeddedUrls(dataDir)) === undefined)
    server = await startEmbeddedPostgres(options)
    expect(server.adopted).toBe(false)
    expect(await query(server.urls.orders ?? '', 'select answer from kept')).toEqual([{ answer: 42 }])
  })

  it('can be started by two at once', async () => {
    const other = temporaryFolder('embedded')
    const both = await Promise.all([1, 2].map(() => startEmbeddedPostgres({ dataDir: other, port: 16_700, databases: ['orders'] })))
    expect(both[0]?.urls).toEqual(both[1]?.urls)
    expect(await query(both[1]?.urls.orders ?? '', 'select 1 as one')).toEqual([{ one: 1 }])
    for (const one of both) await one.stop()
    rmSync(other, { recursive: true, force: true })
  })

  it('starts on a folder where the first start was cut off', async () => {
    const other = temporaryFolder('embedded')
    writeFileSync(join(other, 'postgres.password'), 'kept')
    mkdirSync(join(other, 'postgres.12345'))
    writeFileSync(join(other, 'postgres.12345', 'PG_VERSION'), '18\n')
    const late = await startEmbeddedPostgres({ dataDir: other, port: 16_800, databases: [] })
    expect(new URL((await embeddedUrls(other))?.orders ?? '').password).toBe('kept')
    await late.stop()
    await late.stop() // a second time: nothing to do
    expect(await embeddedUrls(other)).toBeUndefined()
    rmSync(other, { recursive: true, force: true })
  })

  it('says so when the data folder is no folder', async () => {
    const file = join(dataDir, 'a-file')
    writeFileSync(file, '')
    await expect(startEmbeddedPostgres({ dataDir: join(file, 'data'), port: 16_900, databases: [] })).rejects.toThrow(
      /data folder .* can't be made/,
    )
  })

  it('takes the next port when its own is taken', async () => {
    const other = temporaryFolder('embedded')
    const second = await startEmbeddedPostgres({ dataDir: other, port: server.port, databases: ['orders'] })
    expect(second.port).toBeGreaterThan(server.port)
    await second.stop()
    rmSync(other, { recursive: true, force: true })
  })

  it('refuses a folder of another version in plain words', async () => {
    const other = temporaryFolder('embedded')
    const old = await startEmbeddedPostgres({ dataDir: other, port: 16_600, databases: [] })
    await old.stop()
    writeFileSync(join(old.folder, 'PG_VERSION'), '9\n')
    await expect(startEmbeddedPostgres({ dataDir: other, port: 16_600, databases: [] })).rejects.toThrow(/made by PostgreSQL 9/)
    rmSync(other, { recursive: true, force: true })
  })
})
