import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import type { Api } from './api.ts'
import { jsonOption, urlOption, wholeNumber, withApi } from './options.ts'
import { readPages } from './pages.ts'
import { type Cell, count, table } from './table.ts'
import { terminalOf } from './terminal.ts'
import type { ErasureJson } from './wire.ts'

type Erase = { reason: string; dryRun?: true; json?: true }

const LOOK_EVERY_MS = 500
const LOOKS_IN_VAIN = 4
const HELP = `
Name, address, remarks, tokens and keys go from the customer's orders, their history and their shipments; in the place of the user's id stands a pseudonym from which nothing
leads back. Amounts, items, stock and money movements stay. Orders under way are erased by themselves once they have ended: run it again to see how far it is.
Nobody can undo it. What is done where, and what backups keep: docs/SECURITY.md

Examples
  comanda customers erase u123 --dry-run
  comanda customers erase u123 --reason "asked for it on 3 March, ticket 4711"
  comanda customers erasures`

export function customersCommand(program: Command): void {
  const customers = program
    .command('customers')
    .summary('erase what is known of a customer')
    .description('Erase what is known of a customer, without touching the ledgers.')
    .addHelpText('after', HELP)
  customers
    .command('erase')
    .description('Erase what is known of a customer. Orders that have ended at once, the others once they have.')
    .argument('<user>', 'id of the user')
    .option('-r, --reason <text>', 'why, for the record; not who the customer is', '')
    .option('--dry-run', 'only look; change nothing')
    .addOption(urlOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((user: string, options: Erase, command: Command) =>
      withApi(command, async (api) => {
        if (!options.dryRun && options.reason === '')
          command.error('error: say why with --reason, or look first with --dry-run', { exitCode: 2 })
        const erasure = await eraseAll(api, user, options)
        const terminal = terminalOf(command)
        terminal.out(options.json ? JSON.stringify(erasure, null, 2) : inWords(erasure))
      }),
    )
  customers
    .command('erasures')
    .description('Who was erased when, why and on whose word; the newest first.')
    .option('-n, --limit <n>', 'how many at most', wholeNumber(1), 50)
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((options: { limit: number; json?: true }, command: Command) =>
      withApi(command, async (api) => {
        const asked = { path: '/erasures', rows: 'erasures', cursor: 'before', limit: options.limit, filters: {} }
        const found = await readPages<ErasureJson>(api, asked)
        const terminal = terminalOf(command)
        if (options.json) return terminal.out(JSON.stringify(found, null, 2))
        if (found.length === 0) return terminal.out('nobody was erased')
        const rows = found.map((one): Cell[] => [
          ...[minute(one.asked_at), one.ended_at ? minute(one.ended_at) : `${one.waiting + one.erasable} orders are left`],
          ...[one.pseudonym ?? '', String(one.erased), one.asked_by ?? '', one.reason],
        ])
        terminal.out(table(terminal, { heads: ['asked', 'ended', 'pseudonym', 'orders', 'by key', 'reason'], rows }))
      }),
    )
}

/**
 * Many orders take longer than one answer: until none is left that could go now, or none has gone for a while: shipping can't be reached, or knows of a
 * parcel that has not arrived. Those go by themselves, later.
 */
async function eraseAll(api: Api, user: string, { reason, dryRun = false }: { reason: string; dryRun?: boolean }): Promise<ErasureJson> {
  let most = 0
  for (let idle = 0; ; ) {
    const erasure = await api.post<ErasureJson>('/erasures', { user_id: user, dry_run: dryRun, ...(reason !== '' && { reason }) })
    idle = erasure.erased > most ? 0 : idle + 1
    most = Math.max(most, erasure.erased)
    if (dryRun || erasure.ended_at !== null || erasure.erasable === 0 || idle === LOOKS_IN_VAIN) return erasure
    await delay(LOOK_EVERY_MS)
  }
}

function inWords({ dry_run, erased, erasable, waiting, waiting_orders, pseudonym }: ErasureJson): string {
  const first = waiting_orders.slice(0, 10)
  const later = [
    `${orders(waiting)} ${waiting === 1 ? 'is' : 'are'} erased later: under way, or too lately ended (ERASE_AFTER_MS).`,
    ...first.map((id) => `  ${id}`),
    ...(waiting > first.length ? [`  … and ${count(waiting - first.length)} more`] : []),
  ]
  const stuck = `${orders(erasable)} could not be erased now: shipping can't be reached, or has a parcel that has not arrived. Tried again every minute.`
  const gone = erased + waiting + erasable > 0 ? `${orders(erased)} erased, now of ${pseudonym}.` : 'No order of this user is known.'
  const now = dry_run ? `${orders(erasable)} would be erased now. Nothing was changed.` : gone
  return [now, ...(erasable > 0 && !dry_run ? [stuck] : []), ...(waiting > 0 ? later : [])].join('\n')
}

const orders = (number: number) => `${count(number)} ${number === 1 ? 'order' : 'orders'}`
const minute = (at: string | null) => at?.slice(0, 16).replace('T', ' ') ?? ''
