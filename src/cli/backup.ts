import { resolve } from 'node:path'
import type { Command } from 'commander'
import { withSteps } from './backup-steps.ts'
import { Failure, oneLine } from './failure.ts'
import { settings } from './options.ts'
import { terminalOf } from './terminal.ts'

export function backupCommand(program: Command): void {
  program
    .command('backup')
    .summary('copy all databases of this machine, while they run')
    .description(
      'Copy the embedded PostgreSQL of DATA_DIR with all its databases, as of one moment, into a new folder: while it runs and takes orders, or stopped. ' +
        'The copy is read again and compared. It holds customers and the password of the database: keep it as safe as the data itself.',
    )
    .argument('<folder>', 'where to; must not be there, or be empty')
    .addHelpText(
      'after',
      '\nFor PostgreSQL servers of your own, how often, and what to do after a restore: docs/OPERATING.md.\n\nExamples\n  comanda backup /backups/$(date +%F)\n  comanda restore /backups/2026-01-31 --check',
    )
    .action(async (folder: string, _options: object, command: Command) => {
      const config = settings()
      const terminal = terminalOf(command)
      const to = resolve(folder)
      // Loaded here only: every other command starts without a PostgreSQL client.
      const { backUp } = await import('../backup/backup.ts')
      const { manifest, seconds } = await withSteps(terminal, (watch) => backUp(config, to, watch)).catch((error: unknown) => {
        throw new Failure(`no backup was made: ${oneLine(error)}`)
      })
      const elsewhere = Object.entries(config.databaseUrls).filter(([name, url]) => url !== '' && name !== 'broker')
      if (elsewhere.length > 0) terminal.err(`Not in it: ${elsewhere.map(([name]) => name).join(', ')}, on a server of its own`)
      terminal.out(
        `${to}: ${manifest.databases.join(', ')} as of ${manifest.ended_at}, ${(manifest.bytes / 1e6).toFixed(0)} MB in ${seconds.toFixed(1)} s`,
      )
    })
}
