import { rmSync } from 'node:fs'
import { copyFile, mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { copyCluster, putFile } from '../../src/platform/cluster-copy.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts'
import { DATABASE_SETTINGS, type DatabaseServer, killPostmaster } from '../chaos/database.ts'
import { freePorts } from '../support/system.ts'
import { until } from '../support/until.ts'

/** A PostgreSQL with a synchronous standby: what is answered is on the disks of both. One of them dies, and the other goes on. */
export type DatabasePair = DatabaseServer & {
  /** Makes an empty machine the standby of the one that takes writes. Resolves when commits wait for it. */
  addStandby(): Promise<void>
  /** Makes the standby the one that takes writes; its port and URLs are then what `port` and `url` tell. */
  promote(): Promise<void>
  /** The port of the standby. */
  standbyPort(): number
  /** Starts the dead one on its old data, as when its machine was only away. @returns its URL. */
  raiseDead(database: string): Promise<string>
  /** SIGKILL to the risen one. */
  buryRisen(): Promise<void>
}

type Machine = { name: string; dataDir: string; port: number; running: EmbeddedPostgres | undefined }

export async function startDatabasePair(dir: string, databases: readonly string[]): Promise<DatabasePair> {
  const ports = await freePorts(2)
  const [first, second] = ['one', 'two'].map((name, i) => ({
    name,
    dataDir: join(dir, `postgres-${name}`),
    port: ports[i],
    running: undefined,
  }))
  let primary = first as Machine
  let other = second as Machine
  let isUp = false
  const start = async (machine: Machine) => {
    machine.running = await startEmbeddedPostgres({ ...machine, databases, settings: DATABASE_SETTINGS })
    machine.port = machine.running.port
  }
  const urlOf = (machine: Machine, database: string) => machine.running?.urls[database] ?? ''
  const onPrimary = <T>(work: (client: pg.Client) => Promise<T>) => withClient(urlOf(primary, databases[0] ?? ''), work)
  const begin = async () => {
    await start(primary)
    isUp = true
  }
  await begin()
  return {
    port: () => primary.port,
    url: (database) => urlOf(primary, database),
    checkpoint: () => onPrimary(async (client) => void (await client.query('checkpoint'))),
    isUp: () => isUp,
    async kill() {
      isUp = false
      await killPostmaster(primary.running?.folder ?? '')
    },
    start: begin,
    standbyPort: () => other.port,
    async addStandby() {
      rmSync(other.running?.folder ?? other.dataDir, { recursive: true, force: true })
      await onPrimary((client) => copyAsStandby(client, primary, other))
      await start(other)
      await onPrimary((client) => waitForStandby(client, other.name))
    },
    async promote() {
      await withClient(urlOf(other, databases[0] ?? ''), async (client) => void (await client.query('select pg_promote(true, 120)')))
      ;[primary, other] = [other, primary]
      isUp = true
    },
    async raiseDead(database) {
      await start(other)
      return urlOf(other, database)
    },
    buryRisen: () => killPostmaster(other.running?.folder ?? ''),
    async stop() {
      for (const machine of [other, primary]) await machine.running?.stop()
    },
  }
}

/** The slot keeps what is written from its start on, and the standby streams all of that, so the write-ahead log itself need not be copied. */
async function copyAsStandby(client: pg.Client, primary: Machine, standby: Machine): Promise<void> {
  const from = primary.running?.folder ?? ''
  const to = join(standby.dataDir, 'postgres')
  const owner = await stat(from)
  await mkdir(standby.dataDir, { recursive: true })
  await copyFile(join(primary.dataDir, 'postgres.password'), join(standby.dataDir, 'postgres.password'))
  await client.query('select pg_create_physical_replication_slot($1, true)', [standby.name])
  await copyCluster(client, { from, to, label: standby.name, owner })
  const put = (path: string, text: string) => putFile(join(to, path), { text, path, owner })
  await put('standby.signal', '')
  const { password, username } = new URL(Object.values(primary.running?.urls ?? {})[0] ?? '')
  const address = `host=127.0.0.1 port=${primary.port} user=${username} password=${password} application_name=${standby.name}`
  await put('postgresql.auto.conf', `primary_conninfo = '${address}'\nprimary_slot_name = '${standby.name}'\n`)
}

/** From now on a commit is answered when it is on the standby's disk, too. */
async function waitForStandby(client: pg.Client, name: string): Promise<void> {
  await client.query(`alter system set synchronous_standby_names = '${name}'`)
  await client.query('select pg_reload_conf()')
  await until(
    'the standby to be synchronous',
    async () =>
      (await client.query(`select 1 from pg_stat_replication where application_name = $1 and sync_state = 'sync'`, [name])).rowCount,
    60,
  )
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}
