import { createHash } from 'node:crypto'
import pg from 'pg'
import { meter } from './metrics.ts'

/** PostgreSQL, pipelined: a transaction's statements travel together, and its last writes travel with the commit. */

// Counts and amounts are bigint columns; beyond 2^53 a JavaScript number would lie, so refuse instead.
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is beyond 2^53`)
  return value
})

export type Statement = { name: string; text: string; values: unknown[] }

const statements = new WeakMap<TemplateStringsArray, { name: string; text: string }>()

/** SQL with parameters: sql`select … where id = ${id}`. Prepared once per connection. Never build SQL from strings. */
export function sql(strings: TemplateStringsArray, ...values: unknown[]): Statement {
  let prepared = statements.get(strings)
  if (!prepared) {
    const text = strings.reduce((all, part, i) => `${all}$${i}${part}`)
    prepared = { name: createHash('sha1').update(text).digest('base64url').slice(0, 20), text }
    statements.set(strings, prepared)
  }
  return { ...prepared, values }
}

/** Rows for `from jsonb_to_recordset(${rows(list)}) as r(column type, …)`. As fast as arrays here (docs/decisions/0002). */
export const rows = (list: readonly unknown[]): string => JSON.stringify(list)

export interface Transaction {
  /** Sent at once, without waiting for earlier statements. Shape of a row: the caller's word. */
  query<Row>(statement: Statement): Promise<Row[]>
  /** Sent at once, checked at commit: its failure fails the transaction. Answers nothing. */
  write(statement: Statement): void
}

export interface Database {
  query<Row>(statement: Statement): Promise<Row[]>
  /**
   * Runs `work` in one transaction and commits it. Serialisation failures and deadlocks are tried again, so `work`
   * may run more than once. When the connection is lost during the commit the outcome is unknown: the error is
   * passed on, and callers are idempotent. `retryOn`: further SQLSTATEs that are worth another try, such as 23505 where
   * a key that another transaction just inserted will be found by the second run.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>, options?: { retryOn?: string[] }): Promise<T>
  close(): Promise<void>
}

const MAX_TRIES = 5
const RETRY = new Set(['40001', '40P01'])
/**
 * A standby, or a primary that has become one: the name of the database leads elsewhere by now, or soon will. The connection is not used again, or the pool
 * would stay with the one that takes no writes.
 */
const READ_ONLY = '25006'

// Plans are cached per connection, and one made while the tables were new and empty is a sequential scan: measured 120 instead of
// 460 single authorisations a second after 34,000 payments. Likewise a join with a batch of rows must look each one up, and not walk a whole index
// (97 rows were fetched per order, growing). Nothing in the services is served by such plans.
// With them gone the values of a call can't change its plan, so it is made once: planning again for each call took 90 µs per order at 64 connections.
const PLANNING = {
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  jit: 'off',
  plan_cache_mode: 'force_generic_plan',
}

type DatabaseOptions = {
  max?: number
  applicationName?: string
  /** Server settings of each connection. */
  settings?: Record<string, string>
  /** PostgreSQL ends a statement that takes longer. */
  statementMs?: number
  /** Whether the metrics tell of this pool, while they are on. */
  isMeasured?: boolean
}

/** A pool of connections. Nothing connects before the first query; lost connections are replaced. */
export function openDatabase(url: string, options: DatabaseOptions = {}): Database {
  const { max = 4, applicationName = 'comanda', settings = {}, statementMs = 30_000, isMeasured = true } = options
  const pool = new pg.Pool({
    connectionString: url,
    max,
    application_name: applicationName,
    options: Object.entries({ ...PLANNING, ...settings })
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 60_000,
    statement_timeout: statementMs,
    query_timeout: statementMs + 5_000,
    // A paused process must not hold its row locks for ever.
    idle_in_transaction_session_timeout: 15_000,
    keepAlive: true,
    pipeline: true,
  } as pg.PoolConfig)
  // Both are needed: a checked-out client between two statements reports a lost connection on itself.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  const endWatch = isMeasured ? watchPool(pool, applicationName.replace(/^comanda /, '')) : undefined

  const plans = namesOfPlans()
  return {
    async query<Row>(statement: Statement): Promise<Row[]> {
      for (let attempt = 1; ; attempt++) {
        const known = plans.generation
        try {
          return (await pool.query(plans.named(statement))).rows as Row[]
        } catch (error) {
          if (attempt >= MAX_TRIES || !plans.areStale(error, known)) throw error
        }
      }
    },
    async transaction(work, { retryOn = [] } = {}) {
      for (let attempt = 1; ; attempt++) {
        const known = plans.generation
        try {
          return await runOnce(pool, work, plans.named)
        } catch (error) {
          const state = sqlState(error) ?? ''
          const again = plans.areStale(error, known) || RETRY.has(state) || retryOn.includes(state)
          if (attempt >= MAX_TRIES || !again) throw error
        }
      }
    },
    close() {
      endWatch?.()
      return pool.end()
    },
  }
}

function watchPool(pool: pg.Pool, name: string): (() => void) | undefined {
  const labels = { pool: name }
  return meter()?.watch(
    `pool of ${name}`,
    () => [
      { metric: 'comanda_db_connections', labels: { ...labels, state: 'in_use' }, value: pool.totalCount - pool.idleCount },
      { metric: 'comanda_db_connections', labels: { ...labels, state: 'idle' }, value: pool.idleCount },
      { metric: 'comanda_db_connections_max', labels, value: pool.options.max },
      { metric: 'comanda_db_waiting', labels, value: pool.waitingCount },
    ],
    { everyMs: 0 },
  )
}

/**
 * A migration gave a table another column while `select *` of it was prepared: PostgreSQL then refuses that plan, before anything is done, for as long as the
 * connection lives. Under another name it is prepared anew, on each connection.
 */
function namesOfPlans() {
  const plans = {
    generation: 0,
    named: (statement: Statement): Statement =>
      plans.generation === 0 ? statement : { ...statement, name: `${statement.name}-${plans.generation}` },
    /** Whether a statement of this generation failed for that reason, and is to be sent again. */
    areStale(error: unknown, generation: number): boolean {
      if (sqlState(error) !== '0A000' || !(error as Error).message.includes('cached plan')) return false
      if (generation === plans.generation) plans.generation++
      return true
    },
  }
  return plans
}

async function runOnce<T>(pool: pg.Pool, work: (tx: Transaction) => Promise<T>, named: (statement: Statement) => Statement): Promise<T> {
  const client = await pool.connect()
  const sent: Promise<unknown>[] = []
  const send = (statement: Statement | string) => {
    const result = client.query(statement as pg.QueryConfig)
    sent.push(result)
    result.catch(() => {}) // looked at below
    return result
  }
  let broken = false
  try {
    send('begin')
    const value = await work({
      query: async <Row>(statement: Statement) => (await send(named(statement))).rows as Row[],
      write: (statement) => void send(named(statement)),
    })
    const commit = send('commit')
    await Promise.all(sent)
    // PostgreSQL answers COMMIT of a failed transaction with ROLLBACK, not with an error.
    if ((await commit).command !== 'COMMIT') throw new Error('the transaction was rolled back')
    return value
  } catch (error) {
    await client.query('rollback').catch(() => {
      broken = true
    })
    const cause = await firstCause(error, sent)
    broken ||= sqlState(cause) === READ_ONLY
    throw cause
  } finally {
    client.release(broken)
  }
}

/** In a pipeline every statement after the failing one reports "transaction aborted": the cause is the first failure. */
async function firstCause(error: unknown, sent: Promise<unknown>[]): Promise<unknown> {
  const failed = (await Promise.allSettled(sent)).find((result) => result.status === 'rejected')
  return failed ? failed.reason : error
}

/** SQLSTATE of an error from PostgreSQL; undefined for any other error. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

/** Whether an error means "the database can't be reached or used now", so that asking again later may help. */
export function isDatabaseDown(error: unknown): boolean {
  const state = sqlState(error)
  if (state) return /^(08|53|57|58)/.test(state) || RETRY.has(state) || state === READ_ONLY
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  if (code && ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH', 'ENOENT'].includes(code)) return true
  const message = error instanceof Error ? error.message : ''
  return /connection terminated|timeout exceeded when trying to connect|connection error|not queryable|query read timeout|cannot use a pool/i.test(
    message,
  )
}
