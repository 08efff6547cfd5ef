import type { PaymentContext } from '../context.ts'
import { allPayments, databaseTime, movedPayments, stuckPayments } from './books.ts'
import { listDiscrepancies } from './discrepancies.ts'
import { type Finding, type Judgement, type JudgeOptions, judge, type Outcome } from './judge.ts'

/** One reconciliation: our book against the provider's, both ways, page by page, so that its size in memory never grows with the books. */

const PAGE = 500
/** More are counted and not listed. */
const MOST_LISTED = 500
/** So many are no differences of payments, but of books: the wrong account, a restored database. A person must look before anything is done. */
const MOST_DIFFERENCES = 10_000
const STUCK_AFTER_MS = 15 * 60_000

export type ReconcileOptions = Partial<JudgeOptions> & {
  /** Charges made, and payments whose money moved, since then; all: null. What is stuck and what is raised already is always looked at. */
  since: Date | null
  /** Called before each page. @throws to stop. */
  keepGoing?: () => Promise<void>
}

export type Report = {
  since: string | null
  until: string
  /** How many were compared; some may be among both. */
  charges: number
  payments: number
  counts: Record<Outcome | 'not_settled' | 'not_told', number>
  /** Some of them, MOST_LISTED at most. */
  findings: Finding[]
}

export class TooManyDifferences extends Error {
  override name = 'TooManyDifferences'
  constructor() {
    super(`more than ${MOST_DIFFERENCES} differences: are these the books of the same shop? Stopped before more is done`)
  }
}

/** @throws when the provider can't list its charges. Everything it has done until then stays done, and doing it again does no harm. */
export async function reconcile(context: PaymentContext, options: ReconcileOptions): Promise<Report> {
  const { since, dryRun = false, settledAfterMs = context.notFoundIsFinalAfterMs, stuckAfterMs = STUCK_AFTER_MS } = options
  const how = { dryRun, settledAfterMs, stuckAfterMs }
  const { keepGoing = async () => {} } = options
  const until = await databaseTime(context.db)
  const report = emptyReport({ since, until })
  const tally = tallyInto(report)
  const judgeThese = async (keys: readonly string[], more: Parameters<typeof judge>[2] = how) => tally(await judge(context, keys, more))

  for (let after: string | undefined; ; ) {
    await keepGoing()
    const { charges, next } = await context.provider.listCharges({ since: since ?? undefined, after, limit: PAGE })
    report.charges += charges.length
    await judgeThese(
      charges.map((charge) => charge.key),
      { ...how, listed: charges },
    )
    if (next === null) break
    after = next
  }
  for (let after: string | null = null; ; ) {
    await keepGoing()
    const page: Awaited<ReturnType<typeof allPayments>> = since
      ? await movedPayments(context.db, { since, after, limit: PAGE })
      : await allPayments(context.db, after, PAGE)
    report.payments += page.keys.length
    await judgeThese(page.keys)
    if (page.next === null) break
    after = page.next
  }
  await judgeThese(await stuckPayments(context.db, stuckAfterMs, PAGE))
  for (let after = 0; ; ) {
    await keepGoing()
    const open = await listDiscrepancies(context.db, { after, limit: PAGE, which: 'open' })
    await judgeThese([...new Set(open.map((one) => one.key))], { ...how, closely: true })
    if (open.length < PAGE) break
    after = open.at(-1)?.id ?? after
  }
  return report
}

/** Counts each difference once, though a charge and its payment come along from both sides. @throws when there are too many. */
function tallyInto(report: Report): (judgement: Judgement) => void {
  const found = new Set<string>()
  const notSettled = new Set<string>()
  const notTold = new Set<string>()
  return (judgement) => {
    for (const key of judgement.notSettled) notSettled.add(key)
    for (const key of judgement.notTold) notTold.add(key)
    for (const finding of judgement.findings) {
      const name = `${finding.key} ${finding.kind}`
      if (found.has(name)) continue
      found.add(name)
      report.counts[finding.outcome]++
      if (report.findings.length < MOST_LISTED) report.findings.push(finding)
    }
    report.counts.not_settled = notSettled.size
    report.counts.not_told = notTold.size
    if (found.size > MOST_DIFFERENCES) throw new TooManyDifferences()
    if (notTold.size > MOST_DIFFERENCES) throw new Error('the provider can not tell of too many charges')
  }
}

function emptyReport({ since, until }: { since: Date | null; until: Date }): Report {
  const counts = { repaired: 0, raised: 0, would_repair: 0, would_raise: 0, not_settled: 0, not_told: 0 }
  return { since: since?.toISOString() ?? null, until: until.toISOString(), charges: 0, payments: 0, counts, findings: [] }
}
