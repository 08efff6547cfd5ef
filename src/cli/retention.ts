import type { Command } from 'commander'
import { findUrls } from '../audit/urls.ts'
import type { Config } from '../platform/config.ts'
import { asAdmin } from '../platform/database-roles.ts'
import { openDatabase, sqlState } from '../platform/postgres.ts'
import { trustAlso } from '../platform/trust.ts'
import { trimNow } from '../retention/retention.ts'
import { type Trim, trims } from '../retention/trims.ts'
import { Failure, oneLine } from './failure.ts'
import { jsonOption, settings } from './options.ts'
import { table } from './table.ts'
import { type Terminal, terminalOf } from './terminal.ts'

type Options = { dryRun?: boolean; json?: true }
/** Of one table. `days` null: kept for ever, so `old` is 0. `gone`: what went now. */
type Told = { table: string; setting: string; days: number | null; rows: number; old: number; gone: number }

export function retentionCommand(program: Command): void {
  program
    .command('retention')
    .summary('let go of what has been kept long enough')
    .description(
      'Let go of what has been kept as long as the settings say: with none set nothing goes. A little at a time, so that the system goes on meanwhile; ' +
        'safe to interrupt, and to run again. The audit is as clean after as before.',
    )
    .option('--dry-run', 'only count what would go')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nServices that own their tables do it by themselves, once an hour. Where they do not, it is for who does: set DATABASE_ADMIN_URL.\nWhat may go, and what stays: docs/OPERATING.md\n\nExamples\n  FOLD_AFTER_DAYS=90 comanda retention --dry-run\n  FOLD_AFTER_DAYS=90 comanda retention',
    )
    .action(async ({ dryRun = false, json }: Options, command: Command) => {
      const terminal = terminalOf(command)
      const told = await runRetention(settings(), { isDry: dryRun, terminal })
      if (json) return terminal.out(JSON.stringify(told, null, 2))
      const heads = ['table', 'kept for', 'rows', dryRun ? 'would go' : 'gone']
      const rows = told.map((one) => [
        one.table,
        one.days === null ? `ever (${one.setting} is unset)` : `${one.days} days`,
        one.rows,
        dryRun ? one.old : one.gone,
      ])
      terminal.out(table(terminal, { heads, rows }))
    })
}

async function runRetention(config: Config, { isDry, terminal }: { isDry: boolean; terminal: Terminal }): Promise<Told[]> {
  trustAlso(config.caCertificates)
  const urls = await findUrls(config).catch((error: Error) => {
    throw new Failure(error.message)
  })
  const told: Told[] = []
  for (const trim of trims) {
    const isTheirs = config.databaseUrls[trim.on] !== '' && config.databaseAdminUrl !== ''
    const url = isTheirs ? asAdmin(config.databaseAdminUrl, urls[trim.on]) : urls[trim.on]
    told.push(await runTrim(trim, { url, days: daysOf(trim, config), isDry, terminal }))
  }
  return told
}

const daysOf = ({ setting }: Trim, config: Config) => ({ FOLD_AFTER_DAYS: config.foldAfterDays })[setting]

type Wish = { url: string; days: number | undefined; isDry: boolean; terminal: Terminal }

/** To count is to look through a whole table: given a quarter of an hour, and plans that fit. */
const COUNTING = { settings: { enable_seqscan: 'on', enable_hashjoin: 'on' }, statementMs: 900_000 }
/** More than has passed since there are orders: for a count of all rows. */
const FOR_EVER_DAYS = 1_000_000

async function runTrim(trim: Trim, { url, days, isDry, terminal }: Wish): Promise<Told> {
  const db = openDatabase(url, { max: 1, applicationName: 'comanda retention', isMeasured: false, ...COUNTING })
  try {
    const { rows, old } = await trim.count(db, days ?? FOR_EVER_DAYS)
    const onPage = (gone: number) => terminal.isWatched && terminal.err(`${trim.table}: ${gone} of ${old}`)
    const gone = isDry || days === undefined ? 0 : await trimNow(trim, { db, days, onPage })
    return { table: `${trim.on}.${trim.table}`, setting: trim.setting, days: days ?? null, rows, old, gone }
  } catch (error) {
    throw new Failure(`${trim.on}: ${inWords(error)}`)
  } finally {
    await db.close()
  }
}

function inWords(error: unknown): string {
  if (sqlState(error) === '42501') return `${oneLine(error)}: set DATABASE_ADMIN_URL to the user that owns the tables`
  if (sqlState(error) === '42883' || sqlState(error) === '42P01') return 'the schema is behind: run "comanda migrate" first'
  return oneLine(error)
}
