import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { withSteps } from './backup-steps.ts'
import { Failure, oneLine } from './failure.ts'
import { settings } from './options.ts'
import { type Terminal, terminalOf } from './terminal.ts'

const NEXT = `The payment provider's book is newer than what was restored, so the next start takes no orders. Now:

  1. comanda serve                                       the rest of the system works, and takes up what was under way
  2. comanda reconcile --all                             what the provider knows and we do not
  3. comanda reconcile release --dry-run                 charges of orders that are not here any more
  4. comanda reconcile release --reason "restored …"     let them go: whoever sends such an order again is charged once
  5. comanda reconcile --all && comanda audit
  6. comanda restore --finish, and a restart             orders are taken again

What to look at besides (goods that have left, parcels that the carrier knows): docs/OPERATING.md, "Backup and restore".`

type Options = { check?: true; finish?: true }

export function restoreCommand(program: Command): void {
  program
    .command('restore')
    .summary('put a backup back, and what to do then')
    .description(
      'Put a backup into DATA_DIR, which must be empty or not be there. A backup that is damaged or was never finished is refused, and nothing is changed.',
    )
    .argument('[folder]', 'the backup')
    .option('--check', 'only see whether the backup is whole')
    .addOption(new Option('--finish', 'the books are reconciled: take orders again from the next start on').conflicts('check'))
    .addHelpText(
      'after',
      `\n${NEXT}\n\nExamples\n  comanda restore /backups/2026-01-31 --check\n  DATA_DIR=./data comanda restore /backups/2026-01-31`,
    )
    .action(async (folder: string | undefined, options: Options, command: Command) => {
      const terminal = terminalOf(command)
      if (options.finish) return finish(terminal)
      if (folder === undefined) throw new Failure('name the folder of a backup (--help shows what is possible)', 2)
      const from = resolve(folder)
      // Loaded here only: every other command starts without a PostgreSQL client.
      const { checkBackup, restore } = await import('../backup/restore.ts')
      const config = settings()
      const work = options.check ? checkBackup.bind(null, from) : restore.bind(null, config, from)
      const { manifest, seconds } = await withSteps(terminal, work).catch((error: unknown) => {
        throw new Failure(oneLine(error))
      })
      const what = `${manifest.databases.join(', ')} as of ${manifest.ended_at}, ${(manifest.bytes / 1e6).toFixed(0)} MB`
      if (options.check) return terminal.out(`${from} is whole: ${what} (${seconds.toFixed(1)} s)`)
      terminal.out(`${config.dataDir} restored: ${what} in ${seconds.toFixed(1)} s\n\n${NEXT}`)
    })
}

async function finish(terminal: Terminal): Promise<void> {
  const { readRestoredMark, removeRestoredMark } = await import('../platform/restored.ts')
  const { dataDir } = settings()
  const mark = await readRestoredMark(dataDir)
  if (mark?.state === 'copying') throw new Failure(`the restore into ${dataDir} was cut off: run it again (comanda restore ${mark.backup})`)
  if (!mark) return terminal.out(`nothing to finish in ${dataDir}: orders are taken`)
  await removeRestoredMark(dataDir)
  terminal.out('Orders are taken again from the next start on.')
}
