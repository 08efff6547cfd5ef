import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run as comanda } from '../../src/cli/main.ts'
import { DATABASES } from '../../src/platform/config.ts'
import { temporaryFolder } from '../support/folder.ts'
import { freePorts } from '../support/system.ts'
import { until } from '../support/until.ts'

/** A roll-out as on a server where only an admin may make things: `comanda migrate` first, then services that may not. */

const server = process.env.TEST_POSTGRES_URL ?? ''
const tag = randomBytes(4).toString('hex')
const roleOf = (name: string) => `${name}_${tag}`
const urlOf = (name: string) =>
  Object.assign(new URL(server), { username: roleOf(name), password: '', pathname: `/${roleOf(name)}` }).toString()

const folder = temporaryFolder('migrate')
let env: NodeJS.ProcessEnv
beforeAll(async () => {
  const [port] = await freePorts(1)
  env = {
    ...process.env,
    ...Object.fromEntries(DATABASES.map((name) => [`${name.toUpperCase()}_DATABASE_URL`, urlOf(name)])),
    DATABASE_PASSWORD: 'p@ss/w:rd%',
    ...{ MIGRATE: 'off', ORDERS_PORT: String(port), DATA_DIR: join(folder, 'data'), LOG_DIR: join(folder, 'logs'), LOG_TERMINAL: 'off' },
  }
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  for (const name of DATABASES) {
    await asAdmin('tests', `drop database if exists ${roleOf(name)} with (force)`)
    await asAdmin('tests', `drop role if exists ${roleOf(name)}`)
  }
})

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}
const asAdmin = (database: string, statement: string) =>
  query(Object.assign(new URL(server), { pathname: `/${database}` }).toString(), statement)
const asService = (name: string, statement: string) =>
  query(Object.assign(new URL(urlOf(name)), { password: encodeURIComponent('p@ss/w:rd%') }).toString(), statement)

type Ended = { code: number; out: string; err: string }
const run = (args: string[], more: NodeJS.ProcessEnv = {}) =>
  new Promise<Ended>((resolve) => {
    const child = execFile(process.execPath, args, { env: { ...env, ...more } }, (_error, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })
const migrate = (args: string[] = [], more: NodeJS.ProcessEnv = { DATABASE_ADMIN_URL: server }) =>
  run(['src/cli/main.ts', 'migrate', ...args], more)

describe('a roll-out with comanda migrate', { timeout: 120_000 }, () => {
  it('makes roles, databases and tables, all or the named ones, and each migration once', async () => {
    const first = await migrate(['orders', 'payment'])
    expect(first).toMatchObject({ code: 0, err: '' })
    expect(first.out).toMatch(/^orders +has run 0001_orders\.sql.*\npayment +has run 0001_payment\.sql/)
    expect(first.out).not.toContain('shipping')
    const second = await migrate()
    expect(second).toMatchObject({ code: 0, err: '' })
    expect(second.out).toMatch(/orders +up to date\ninventory +has run 0001_inventory\.sql/)
    expect((await migrate(['--check'], {})).code).toBe(0)
  })

  it('leaves the services rows, and nothing that changes a table or another database', async () => {
    expect(await asService('orders', 'select 1 as one from migrations limit 1')).toEqual([{ one: 1 }])
    await expect(asService('orders', 'create table mine (n int)')).rejects.toThrow('permission denied')
    await expect(asService('orders', 'alter table orders add column mine int')).rejects.toThrow('must be owner')
    await expect(asService('orders', 'delete from migrations')).rejects.toThrow('permission denied')
    const closed = `select schemaname, tablename from pg_tables
      where schemaname not in ('pg_catalog', 'information_schema') and tablename <> 'migrations'
        and not (has_schema_privilege(schemaname, 'usage')
          and has_table_privilege(format('%I.%I', schemaname, tablename), 'select, insert, update, delete'))`
    for (const name of DATABASES) expect(await asService(name, closed), name).toEqual([])
    const other = Object.assign(new URL(urlOf('orders')), { password: encodeURIComponent('p@ss/w:rd%'), pathname: `/${roleOf('payment')}` })
    await expect(query(other.toString(), 'select 1')).rejects.toThrow('permission denied')
  })

  it('lets comanda retention fold as the admin what the service itself may not', async () => {
    const id = '01900000-0000-7000-8000-000000000001'
    const long = `now() - interval '100 days'`
    await asAdmin(
      roleOf('inventory'),
      `insert into products (id, name, unit_price_minor, currency) values ('a1', 'a', 1, 'EUR'); insert into stock values ('a1', 'madrid', 7, 0);
       insert into reservations (order_id, status, items, committed_locations, updated_at)
         values ('${id}', 'committed', '[{"product_id": "a1", "quantity": 3, "allocations": [{"location_id": "madrid", "quantity": 3}]}]', '{madrid}', ${long});
       insert into movements (product_id, location_id, kind, on_hand_delta, reserved_delta, order_id, at) values
         ('a1', 'madrid', 'received', 10, 0, null, ${long}), ('a1', 'madrid', 'reserved', 0, 3, '${id}', ${long}), ('a1', 'madrid', 'committed', -3, -3, '${id}', ${long})`,
    )
    // In this process: it is the database's answers that count here.
    const retention = async (more: NodeJS.ProcessEnv, ...args: string[]) => {
      const before = { ...process.env }
      let [out, err] = ['', '']
      Object.assign(process.env, env, more)
      const output = {
        writeOut(text: string) {
          out += text
        },
        writeErr(text: string) {
          err += text
        },
      }
      const code = await comanda(['retention', '--json', ...args], output).finally(() => {
        process.env = before
      })
      return { code, err, told: code === 0 ? JSON.parse(out) : out }
    }
    const one = { table: 'inventory.movements', setting: 'FOLD_AFTER_DAYS', rows: 3 }
    const admin = { DATABASE_ADMIN_URL: server, FOLD_AFTER_DAYS: '90' }
    expect(await retention({ DATABASE_ADMIN_URL: server })).toEqual({ code: 0, err: '', told: [{ ...one, days: null, old: 0, gone: 0 }] })
    expect(await retention({ FOLD_AFTER_DAYS: '90' }, '--dry-run')).toEqual({
      code: 0,
      err: '',
      told: [{ ...one, days: 90, old: 2, gone: 0 }],
    })
    expect(await retention({ FOLD_AFTER_DAYS: '90' })).toMatchObject({ code: 1, err: expect.stringContaining('set DATABASE_ADMIN_URL') })
    expect(await retention({ ...admin, FOLD_AFTER_DAYS: '101' })).toMatchObject({ code: 0, told: [{ old: 0, gone: 0 }] })
    expect(await retention(admin)).toEqual({ code: 0, err: '', told: [{ ...one, days: 90, old: 2, gone: 2 }] })
    expect(await retention(admin)).toMatchObject({ told: [{ rows: 1, old: 0, gone: 0 }] })
    expect(
      await asAdmin(roleOf('inventory'), 'select product_id, on_hand::int, reserved::int, movements::int from opening_balances'),
    ).toEqual([{ product_id: 'a1', on_hand: -3, reserved: 0, movements: 2 }])
    expect((await retention({ FOLD_AFTER_DAYS: '0' })).code).toBe(2)
  })

  it('refuses the start of a service whose schema is behind, and changes nothing; after the migration it starts', async () => {
    await asAdmin(roleOf('orders'), `drop table migrations`)
    const refused = await run(['src/main.ts', 'serve', 'orders'])
    expect(refused.code).toBe(1)
    expect(refused.err).toContain('the schema of orders is behind: 0001_orders.sql')
    expect(refused.err).toContain('run "comanda migrate orders" first')
    expect(await asAdmin(roleOf('orders'), `select to_regclass('migrations') as made`)).toEqual([{ made: null }])
    const check = await migrate(['orders', '--check'], {})
    expect(check).toMatchObject({ code: 1, out: expect.stringContaining('orders     lacks 0001_orders.sql') })

    await asAdmin(roleOf('orders'), 'drop schema public cascade; create schema public')
    expect((await migrate(['orders'])).code).toBe(0)
    const child = execFile(process.execPath, ['src/main.ts', 'serve', 'orders'], { env })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    const connections = `select 1 from pg_stat_activity where datname = '${roleOf('orders')}' and application_name = 'comanda orders'`
    await until('orders to work on its database', async () => (await asAdmin('tests', connections)).length > 0)
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })

  it('says in one line which database it could not reach', async () => {
    const { code, err } = await migrate(['orders'], { ORDERS_DATABASE_URL: 'postgres://orders:secret@127.0.0.1:1/orders' })
    expect(code).toBe(1)
    expect(err).toBe('comanda: orders: connect ECONNREFUSED 127.0.0.1:1\n')
  })
})
