import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { appendFile, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { backUp } from '../../src/backup/backup.ts'
import { checkBackup, restore } from '../../src/backup/restore.ts'
import { type CopyFile, copyFile } from '../../src/platform/cluster-copy.ts'
import type { EmbeddedPostgres } from '../../src/platform/embedded-postgres.ts'
import { readRestoredMark } from '../../src/platform/restored.ts'
import { until } from '../support/until.ts'
import { ask, openShelf, type Shelf } from './shelf.ts'

/** A backup has some 2,000 files, and the disk may be busy. */
const SLOW = 300_000
vi.setConfig({ testTimeout: SLOW })
let shelf: Shelf
let server: EmbeddedPostgres
const config = () => shelf.configOf('data')

beforeAll(async () => {
  shelf = await openShelf('backup')
  server = await shelf.start('data')
  await ask(server.urls.orders, 'create table numbers (n int primary key)', 'insert into numbers select generate_series(1, 20000)')
  await backUp(config(), shelf.in('good'))
}, SLOW)
afterAll(() => shelf?.close(), SLOW)

/** What a backup that was stopped by `trouble` leaves: no folder, and a server that knows of no backup. */
async function expectNothingLeft(to: string) {
  expect(existsSync(to)).toBe(false)
  const slots = () => ask(server.urls.orders, 'select slot_name from pg_replication_slots')
  await until('the slot to be gone', async () => (await slots()).length === 0)
  expect(
    await ask(server.urls.orders, `select pg_backup_start('still possible', true)`, 'select lsn from pg_backup_stop(false)'),
  ).toHaveLength(1)
}

describe('a backup', () => {
  it('of a server under writers is one moment of all databases, and holds all that was committed before it began', async () => {
    await ask(server.urls.orders, 'create table pairs (id int primary key)')
    await ask(server.urls.payment, 'create table pairs (id int primary key)')
    let isOver = false
    let written = 0
    const writing = (async () => {
      // Never in orders without having been in payment first.
      for (; !isOver; written++) {
        await ask(server.urls.payment, `insert into pairs values (${written})`)
        await ask(server.urls.orders, `insert into pairs values (${written})`)
      }
    })()
    try {
      await until('some pairs', () => written > 3)
      const before = written
      await backUp(config(), shelf.in('hot'))
      isOver = true
      await writing
      await restore(shelf.configOf('hot-data'), shelf.in('hot'))
      const restored = await shelf.start('hot-data')
      const countIn = async (database: string) => Number((await ask(restored.urls[database], 'select count(*) as n from pairs'))[0]?.n)
      const [orders, payment] = [await countIn('orders'), await countIn('payment')]
      expect(orders).toBeGreaterThanOrEqual(before)
      expect(written).toBeGreaterThan(before)
      expect([orders, orders + 1]).toContain(payment)
      expect(await ask(restored.urls.orders, 'select count(*)::int as n from numbers')).toEqual([{ n: 20_000 }])
      await restored.stop()
    } finally {
      isOver = true
      await writing.catch(() => {})
    }
  })
  it('of a stopped server is the same, and leaves it stopped', async () => {
    const stopped = await shelf.start('cold')
    await ask(stopped.urls.payment, 'create table numbers as select 7 as n')
    await stopped.stop()
    await backUp(shelf.configOf('cold'), shelf.in('cold-backup'))
    expect(await readdir(shelf.in('cold'))).not.toContain('comanda.pid')
    expect(existsSync(shelf.in('cold', 'postgres', 'postmaster.pid'))).toBe(false)
    await restore(shelf.configOf('cold-data'), shelf.in('cold-backup'))
    const restored = await shelf.start('cold-data')
    expect(await ask(restored.urls.payment, 'select n from numbers')).toEqual([{ n: 7 }])
    await restored.stop()
  })
  it('is not written over anything, nor into the folder of PostgreSQL, nor of nothing', async () => {
    await expect(backUp(config(), shelf.in('good'))).rejects.toThrow('is not empty')
    expect((await checkBackup(shelf.in('good'))).databases).toContain('orders')
    await expect(backUp(config(), shelf.in('data', 'postgres', 'backup'))).rejects.toThrow('lies inside')
    await expect(backUp(shelf.configOf('nowhere'), shelf.in('of-nothing'))).rejects.toThrow('nothing to back up')
    expect(existsSync(shelf.in('of-nothing'))).toBe(false)
  })
  const failing = (error: Error): CopyFile => {
    let copied = 0
    return (from, to) => (++copied === 30 ? Promise.reject(error) : copyFile(from, to))
  }
  it.each([
    ['the disk is full', Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })],
    ["a file can't be read", Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })],
  ])('when %s says so, and leaves nothing of itself behind', async (_what, error) => {
    await expect(backUp(config(), shelf.in('failed'), { copy: failing(error) })).rejects.toThrow(error.message)
    await expectNothingLeft(shelf.in('failed'))
  })
  it('sees a disk that is really full, and a file that really can not be read', async () => {
    await expect(copyFile(shelf.in('good', 'backup.json'), '/dev/full')).rejects.toThrow('ENOSPC')
    await expect(copyFile(shelf.in('good'), shelf.in('no-file'))).rejects.toThrow('EISDIR')
    await rm(shelf.in('no-file'), { force: true })
  })
  it('sees that a disk has not kept what was written', async () => {
    const forgets: CopyFile = async (from, to) => {
      const copied = await copyFile(from, to)
      if (to.endsWith('PG_VERSION')) await writeFile(to, '??\n')
      return copied
    }
    await expect(backUp(config(), shelf.in('forgotten'), { copy: forgets })).rejects.toThrow('PG_VERSION has other contents')
    await expectNothingLeft(shelf.in('forgotten'))
  })
  it('refuses what it could not copy: a table space elsewhere', async () => {
    const link = join(server.folder, 'pg_tblspc', '12345')
    await symlink(shelf.dir, link)
    await expect(backUp(config(), shelf.in('linked'))).rejects.toThrow('neither a file nor a folder')
    await rm(link)
    await expectNothingLeft(shelf.in('linked'))
  })
  it('that is killed half way is never taken for one, and leaves the server as it was', async () => {
    await killHalfway('backup', 'killed', 'data')
    await expect(checkBackup(shelf.in('killed'))).rejects.toThrow('never finished')
    await expect(restore(shelf.configOf('from-killed'), shelf.in('killed'))).rejects.toThrow('never finished')
    expect(existsSync(shelf.in('from-killed'))).toBe(false)
    await expect(backUp(config(), shelf.in('killed'))).rejects.toThrow('is not empty')
    // Not even when what says so is gone.
    await rm(shelf.in('killed', 'backup.unfinished'))
    await expect(checkBackup(shelf.in('killed'))).rejects.toThrow('it has no backup.json')
    await rm(shelf.in('killed'), { recursive: true })
    await expectNothingLeft(shelf.in('killed'))
  })
})

async function killHalfway(what: 'backup' | 'restore', folder: string, data: string): Promise<void> {
  const { dataDir, postgresPort } = shelf.configOf(data)
  const env = { ...process.env, DATA_DIR: dataDir, POSTGRES_PORT: String(postgresPort) }
  const child = spawn(process.execPath, ['test/backup/dying.ts', what, shelf.in(folder)], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

describe('a restore', () => {
  it.each<[string, (file: string) => Promise<void>, string]>([
    ['one byte is another', async (file) => writeFile(file, (await readFile(file)).fill(0xff, 100, 101)), 'has other contents'],
    ['a file is shorter', (file) => truncate(file, 8_000), 'has 8000 bytes instead of'],
    ['a file is longer', (file) => appendFile(file, 'x'), 'bytes instead of'],
    ['a file is missing', (file) => rm(file), 'is missing'],
  ])('is refused when %s, and changes nothing', async (_what, damage, says) => {
    const { files } = JSON.parse(await readFile(shelf.in('good', 'backup.json'), 'utf8')) as { files: { path: string; bytes: number }[] }
    const file = shelf.in('good', files.find(({ bytes, path }) => bytes > 8_192 && path.includes('/base/'))?.path ?? '')
    await rename(file, `${file}.sound`)
    await copyFile(`${file}.sound`, file)
    await damage(file)
    await expect(checkBackup(shelf.in('good'))).rejects.toThrow(says)
    await expect(restore(shelf.configOf('damaged'), shelf.in('good'))).rejects.toThrow(says)
    expect(existsSync(shelf.in('damaged'))).toBe(false)
    await rename(`${file}.sound`, file)
  })
  it('is refused when the manifest was changed', async () => {
    const manifest = shelf.in('good', 'backup.json')
    const sound = await readFile(manifest, 'utf8')
    for (const [text, says] of [
      [sound.replace('"bytes"', '"bites"'), 'its checksum is another'],
      [sound.slice(0, -20), 'it is no JSON'],
      [sound.replace('"format": 1', '"format": 2'), 'a format that this one does not know'],
    ] as const) {
      await writeFile(manifest, text)
      await expect(checkBackup(shelf.in('good'))).rejects.toThrow(says)
    }
    await writeFile(manifest, sound)
  })
  it('never writes over anything', async () => {
    await shelf.makeFolder('used')
    await writeFile(shelf.in('used', 'something'), 'dear')
    await expect(restore(shelf.configOf('used'), shelf.in('good'))).rejects.toThrow('is not empty (something')
    expect(await readdir(shelf.in('used'))).toEqual(['something'])
    await expect(restore(config(), shelf.in('good'))).rejects.toThrow('is not empty')
    expect(await ask(server.urls.orders, 'select count(*)::int as n from numbers')).toEqual([{ n: 20_000 }])
  })
  it('that fails leaves nothing, and can be tried again', async () => {
    const full: CopyFile = (from, to) => (to.endsWith('pg_control') ? copyFile(from, '/dev/full') : copyFile(from, to))
    await expect(restore(shelf.configOf('full'), shelf.in('good'), { copy: full })).rejects.toThrow('ENOSPC')
    expect(existsSync(shelf.in('full'))).toBe(false)
  })
  it('that is killed half way lets nothing start, and is done by doing it again', async () => {
    await killHalfway('restore', 'good', 'half')
    await expect(shelf.start('half')).rejects.toThrow('was cut off: run it again')
    await expect(backUp(shelf.configOf('half'), shelf.in('of-half'))).rejects.toThrow('was cut off')
    await restore(shelf.configOf('half'), shelf.in('good'))
    expect(await readRestoredMark(shelf.in('half'))).toMatchObject({ state: 'closed', backup: shelf.in('good') })
    const restored = await shelf.start('half')
    expect(await ask(restored.urls.orders, 'select count(*)::int as n from numbers')).toEqual([{ n: 20_000 }])
    await restored.stop()
  })
})
