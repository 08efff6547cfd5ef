import type { Log } from '../platform/log.ts'
import { type Loop, startLoop } from '../platform/loop.ts'
import { meter } from '../platform/metrics.ts'
import { type Database, openDatabase, sqlState } from '../platform/postgres.ts'
import type { Trim } from './trims.ts'

/** Lets go of what has been kept long enough, a little at a time, beside the orders. */

/** Rows looked at in one transaction: 0.12 s on a machine with twenty times too much to do. */
const PAGE = 2_000
const BETWEEN_PAGES_MS = 200
const BETWEEN_ROUNDS_MS = 3_600_000
const NOT_ALLOWED = '42501'

type Wish = { databaseUrl: string; days: number | undefined; log: Log; roundsMs?: number; pagesMs?: number; limit?: number }

/**
 * Goes through the table once an hour. Any number of replicas may: pages that meet do nothing, and what one has let go of the others don't find.
 * Does nothing while `days` is undefined.
 */
export function startRetention(trim: Trim, { databaseUrl, days, log, ...pace }: Wish): Pick<Loop, 'stop'> {
  if (days === undefined) return { stop: async () => {} }
  const { roundsMs = BETWEEN_ROUNDS_MS, pagesMs = BETWEEN_PAGES_MS, limit = PAGE } = pace
  // A connection of its own: it never takes one from an order.
  const db = openDatabase(databaseUrl, { max: 1, applicationName: 'comanda retention', isMeasured: false })
  const to = meter()
  let round = { after: 0, gone: 0, notBefore: 0 }
  const endRound = () => {
    if (round.gone > 0) log.info({ table: trim.table, rows: round.gone, days }, `${trim.table}: what is old enough was ${trim.becomes}`)
    round = { after: 0, gone: 0, notBefore: performance.now() + roundsMs }
  }
  const loop = startLoop({
    name: `letting old ${trim.table} go`,
    idleMs: pagesMs,
    longestBackOffMs: 60_000,
    log,
    async work() {
      if (performance.now() < round.notBefore) return 'idle'
      const { next, gone } = await onePage(trim, { db, days, after: round.after, limit, log })
      if (gone) to?.count('comanda_retention_rows_total', { table: trim.table }, gone)
      round.gone += gone ?? 0
      if (next === null) endRound()
      else round.after = next
      return 'idle'
    },
  })
  return {
    async stop() {
      await loop.stop()
      await db.close()
    },
  }
}

type At = { db: Database; days: number; after: number; limit: number; log: Log }

/** Where the service does not own its tables somebody else must: that is said, and no failure. */
function onePage(trim: Trim, { log, ...at }: At): ReturnType<Trim['page']> {
  return trim.page(at.db, at).catch((error: unknown) => {
    if (sqlState(error) !== NOT_ALLOWED) throw error
    log.warn({ table: trim.table }, `${trim.setting} is set, but ${trim.on} does not own its tables: run "comanda retention" as who does`)
    return { next: null, gone: null }
  })
}

/** All that is old enough, at once, page by page. @returns how many rows went. */
export async function trimNow(
  trim: Trim,
  { db, days, onPage = () => {} }: { db: Database; days: number; onPage?: (gone: number) => void },
) {
  let all = 0
  for (let after = 0; ; ) {
    const { next, gone } = await trim.page(db, { days, after, limit: PAGE })
    if (gone === null) {
      // A replica's page: over in a moment.
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_PAGES_MS))
      continue
    }
    all += gone
    onPage(all)
    if (next === null) return all
    after = next
  }
}
