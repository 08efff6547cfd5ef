import { OWNERS, type OwnerName } from '../platform/config.ts'
import type { Check, Promised, Subject } from './check.ts'
import { checks } from './checks.ts'
import { copyAll } from './copy.ts'
import { type InFlight, readInFlight, waitForRest } from './rest.ts'
import { AuditError, closeSessions, freeze, openSessions, type Sessions, type Urls } from './sessions.ts'
import { readSummary, type Summary } from './summary.ts'
import { SUBJECTS } from './tables.ts'

export type AuditOptions = {
  /** Only the checks that hold at every instant, without waiting. */
  now?: boolean
  /** How long to wait for the system to come to rest; default 30,000. */
  waitMs?: number
  /** Called again and again with what is waited for. */
  onWaiting?: (inFlight: InFlight) => void
}

export type CheckResult = {
  id: Check['id']
  promise: Promised
  kind: Check['kind']
  title: string
  about: Subject
  /** How many rows of `about` there are. */
  examined: number
  violations: number
  /** Some of them, EXAMPLES at most. */
  examples: Record<string, unknown>[]
  ms: number
}

export type AuditReport = {
  /** Whether all checks that ran hold. */
  ok: boolean
  results: CheckResult[]
  inFlight: InFlight
  summary: Summary
  ms: number
}

const EXAMPLES = 5
const WAIT_MS = 30_000

/**
 * Checks the promises on the four databases, without writing to them: each is read as of one moment, in a read-only transaction.
 * Orders still under way are left out of the checks `at rest`, and are themselves a violation (I02) when they don't end within `waitMs`.
 *
 * @throws {AuditError} when it could not be found out: a database can't be reached, or a check can't be run.
 */
export async function audit(urls: Urls, { now = false, waitMs = WAIT_MS, onWaiting = () => {} }: AuditOptions = {}): Promise<AuditReport> {
  const began = performance.now()
  const sessions = await openSessions(urls)
  try {
    const inFlight = now ? await readInFlight(sessions) : await waitForRest(sessions, { waitMs, onWaiting })
    if (now) await Promise.all(OWNERS.map((owner) => freeze(sessions[owner])))
    else await copyAll(sessions)
    const results = await runChecks(sessions, now ? checks.filter((check) => check.kind === 'always') : checks)
    const summary = await readSummary(sessions)
    return { ok: results.every((result) => result.violations === 0), results, inFlight, summary, ms: performance.now() - began }
  } catch (error) {
    if (error instanceof AuditError) throw error
    throw new AuditError(`the audit could not be finished: ${(error as Error).message}`, { cause: error })
  } finally {
    await closeSessions(sessions)
  }
}

/** Databases side by side, the checks of one database one after the other. @returns the results in the order of the checks. */
async function runChecks(sessions: Sessions, chosen: readonly Check[]): Promise<CheckResult[]> {
  const bySession = Map.groupBy(chosen, ({ on }) => (on === 'copies' ? 'orders' : on))
  const results = new Map<string, Omit<CheckResult, 'examined'>>()
  await Promise.all(
    [...bySession].map(async ([owner, list]) => {
      for (const check of list) results.set(check.id, await runCheck(sessions[owner], check))
    }),
  )
  const subjects = [...new Set(chosen.map((check) => check.about))]
  const sizes = new Map(await Promise.all(subjects.map(async (about) => [about, await countOf(sessions, about)] as const)))
  return chosen.map(({ id, about }) => ({ ...(results.get(id) as Omit<CheckResult, 'examined'>), examined: sizes.get(about) ?? 0 }))
}

async function countOf(sessions: Sessions, about: Subject): Promise<number> {
  const { on, query } = SUBJECTS[about]
  return (await sessions[on].query<{ count: number }>(query)).rows[0]?.count ?? 0
}

async function runCheck(
  session: Sessions[OwnerName],
  { id, promise, kind, title, about, query }: Check,
): Promise<Omit<CheckResult, 'examined'>> {
  const began = performance.now()
  const found = await session
    .query<{ violations: number; examples: Record<string, unknown>[] | null }>(countedWithExamples(query))
    .catch((error: Error) => {
      throw new AuditError(`check ${id} could not be run: ${error.message}`, { cause: error })
    })
  const { violations = 0, examples = null } = found.rows[0] ?? {}
  return { id, promise, kind, title, about, violations, examples: examples ?? [], ms: performance.now() - began }
}

/** One run of the query tells how many rows break the check, and shows some of them. */
function countedWithExamples(query: string): string {
  return `with violation as materialized (${query}\n)
    select (select count(*) from violation) as violations, (select jsonb_agg(to_jsonb(v)) from (select * from violation limit ${EXAMPLES}) v) as examples`
}
