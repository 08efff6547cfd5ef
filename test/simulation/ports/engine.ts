import { readFileSync } from 'node:fs'
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import pg from 'pg'
import { withDatabaseClock } from '../world/globals.ts'

/**
 * PostgreSQL itself, compiled to WebAssembly, one per database. It has one session, speaks the real protocol and answers at once; its clock
 * is the world's.
 */

type Protocol = {
  serialize: {
    query(text: string): Buffer
    parse(query: { name?: string; text: string }): Buffer
    bind(options: { statement?: string; values: unknown[]; valueMapper?: (value: unknown) => unknown }): Buffer
    describe(options: { type: 'P'; name?: string }): Buffer
    execute(options: { portal?: string }): Buffer
    sync(): Buffer
  }
}
type Parsed = { name: string; fields?: { name: string; dataTypeID: number }[]; status?: string; text?: string } & Error
const require = createRequire(createRequire(import.meta.url).resolve('pg'))
const { serialize } = require('pg-protocol') as Protocol
const { Parser } = require('pg-protocol/dist/parser') as {
  Parser: new () => { parse(bytes: Buffer, tell: (message: Parsed) => void): void }
}
const { prepareValue } = require('./utils') as { prepareValue(value: unknown): unknown }

export const DATABASES = ['orders', 'inventory', 'payment', 'shipping', 'broker'] as const
export type DatabaseName = (typeof DATABASES)[number]

// What the services ask for themselves (src/platform/postgres.ts), and plans that don't depend on how often a statement ran before: the
// order of rows must be the same when a seed runs alone and when it runs after others.
const SETTINGS = `set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set jit = off;
  set plan_cache_mode = force_generic_plan; set timezone = 'UTC'; set synchronous_commit = off`

/** Small and without what only matters to disks, on top of PGlite's own. */
const START = [
  ...[
    'shared_buffers=16MB',
    'wal_level=minimal',
    'max_wal_senders=0',
    'full_page_writes=off',
    'wal_recycle=off',
    'max_wal_size=32MB',
    'min_wal_size=32MB',
  ],
  ...['autovacuum=off', 'track_activities=off', 'track_counts=off'],
].flatMap((setting) => ['-c', setting])

export class Engine {
  readonly name: DatabaseName
  readonly #pglite: PGlite
  /** Statements that the session knows by name. */
  readonly known = new Set<string>()
  /** Names of the checkers' own statements, which are the same again and again, by their text. */
  readonly #asked = new Map<string, string>()

  constructor(name: DatabaseName, pglite: PGlite) {
    this.name = name
    this.#pglite = pglite
  }

  /** Sends protocol messages and returns the answer's bytes. */
  raw(bytes: Buffer, wallMs: number): Buffer {
    return withDatabaseClock(wallMs, () => Buffer.from(this.#pglite.execProtocolRawSync(bytes)))
  }

  /** For checkers and for whoever prepares the stage: outside the simulated world, in no transaction of it. @throws the database's error. */
  query<Row>(text: string, values: unknown[] = []): Row[] {
    const known = this.#asked.get(text)
    const name = known ?? `checker ${this.#asked.size}`
    const messages = known ? [] : [serialize.parse({ name, text })]
    messages.push(serialize.bind({ statement: name, values, valueMapper: prepareValue }))
    messages.push(serialize.describe({ type: 'P' }), serialize.execute({}), serialize.sync())
    const answer = readAnswer(this.raw(Buffer.concat(messages), Date.now()))
    if (answer.error) throw answer.error
    this.#asked.set(text, name)
    return answer.rows as Row[]
  }

  script(text: string, wallMs = Date.now()): void {
    const { error } = readAnswer(this.raw(serialize.query(text), wallMs))
    if (error) throw error
  }

  /**
   * As new: all tables but the list of migrations empty, counters at their start, nothing prepared. `keepsPlans` saves time where the order of rows
   * need not be the same in every run.
   */
  reset(wallMs: number, { keepsPlans = false } = {}): void {
    this.script('rollback')
    if (!keepsPlans || this.known.size === 0) {
      this.script('discard all')
      this.known.clear()
      this.#asked.clear()
      this.script(SETTINGS)
    }
    this.empty(wallMs)
  }

  /** All tables but the list of migrations. One in which nothing was ever written, not even in vain, is empty and costs nothing. */
  empty(wallMs: number): void {
    const tables = this.query<{ name: string }>(`
      select format('%I.%I', schemaname, tablename) as name from pg_tables
      where schemaname not in ('pg_catalog', 'information_schema') and tablename <> 'migrations'
      and pg_relation_size(format('%I.%I', schemaname, tablename)::regclass) > 0 order by 1`)
    if (tables.length === 0) return
    // Without triggers: ledgers refuse to be emptied.
    this.script('set session_replication_role = replica', wallMs)
    this.script(`truncate ${tables.map((table) => table.name).join(', ')} restart identity cascade`, wallMs)
    this.script('set session_replication_role = origin', wallMs)
    // There is nobody else to shorten the log, which lies in memory.
    this.script('checkpoint', wallMs)
  }
}

type Answer = { rows: Record<string, unknown>[]; error: Error | undefined }

export function readAnswer(bytes: Buffer): Answer {
  const rows: Record<string, unknown>[] = []
  let fields: { name: string; dataTypeID: number }[] = []
  let error: Error | undefined
  new Parser().parse(bytes, (message) => {
    if (message.name === 'rowDescription') fields = message.fields ?? []
    else if (message.name === 'error') error ??= message
    else if (message.name === 'dataRow') {
      const values = (message as unknown as { fields: (string | null)[] }).fields
      rows.push(
        Object.fromEntries(fields.map(({ name, dataTypeID }, i) => [name, values[i] == null ? null : parserOf(dataTypeID)(values[i])])),
      )
    }
  })
  return { rows, error }
}

const parserOf = (oid: number) => pg.types.getTypeParser(oid, 'text') as (text: string) => unknown

/**
 * Boots five. Making the first cluster takes longer than everything else together, so it is made once and kept, empty, in the system's folder for temporary
 * files; the others are copies.
 */
export async function bootEngines(): Promise<Record<DatabaseName, Engine>> {
  const cluster = await emptyCluster()
  const engines = {} as Record<DatabaseName, Engine>
  for (const name of DATABASES) {
    const engine = new Engine(name, await PGlite.create({ loadDataDir: cluster, startParams: [...PGlite.defaultStartParams, ...START] }))
    await migrateEngine(engine)
    engines[name] = engine
  }
  return engines
}

async function emptyCluster(): Promise<Blob> {
  const kept = join(tmpdir(), `comanda-pglite-${versionOf('@electric-sql/pglite')}-${process.getuid?.() ?? ''}.tar`)
  const found = await readFile(kept).catch(() => undefined)
  if (found) return new Blob([found])
  const first = await PGlite.create()
  const dump = await first.dumpDataDir('none')
  await first.close()
  const draft = `${kept}.${process.pid}`
  await writeFile(draft, new Uint8Array(await dump.arrayBuffer()), { mode: 0o600 })
  await rename(draft, kept)
  return dump
}

function versionOf(name: string): string {
  const lock = JSON.parse(readFileSync(new URL('../../../package-lock.json', import.meta.url), 'utf8'))
  return (lock as { packages: Record<string, { version: string }> }).packages[`node_modules/${name}`]?.version ?? ''
}

/** As src/platform/migrate.ts does it, which finds nothing left to do when the simulated services start. */
async function migrateEngine(engine: Engine): Promise<void> {
  const folder = new URL(`../../../src/${engine.name}/migrations`, import.meta.url).pathname
  const files = (await readdir(folder).catch(() => [] as string[])).filter((file) => /^\d{4}_.+\.sql$/.test(file)).sort()
  engine.script('create table migrations (name text primary key, applied_at timestamptz not null default now())')
  for (const file of files) {
    engine.script(await readFile(join(folder, file), 'utf8'))
    engine.query('insert into migrations (name) values ($1)', [file])
  }
}
