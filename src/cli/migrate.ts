import { Argument, type Command } from 'commander'
import { type Config, DATABASES, type DatabaseName } from '../platform/config.ts'
import { Failure, oneLine, quietExit } from './failure.ts'
import { settings } from './options.ts'
import { type Terminal, terminalOf } from './terminal.ts'

export function migrateCommand(program: Command): void {
  program
    .command('migrate')
    .summary('bring the databases up to this version')
    .description(
      'Run the migrations that the databases lack, and end. For a roll-out: run it before the new version starts, with MIGRATE=off for the services. ' +
        'Migrations only add what the running version can do without, so it goes on meanwhile.',
    )
    .addArgument(new Argument('[databases...]', 'which').choices(['all', ...DATABASES]).default(['all'], 'all'))
    .option('--check', 'run nothing: exit code 1 when a database is behind')
    .addHelpText(
      'after',
      '\nWith DATABASE_ADMIN_URL it also makes the roles and databases that the database URLs name: see docs/CONFIGURATION.md.\n\nExamples\n  comanda migrate\n  comanda migrate orders payment\n  comanda migrate --check',
    )
    .action(async (names: ('all' | DatabaseName)[], { check = false }: { check?: boolean }, command: Command) => {
      const config = settings()
      const wanted = names.includes('all') ? DATABASES : DATABASES.filter((name) => names.includes(name))
      const behind = await migrateAll(wanted, { config, check, terminal: terminalOf(command) })
      if (check && behind > 0) throw quietExit(1)
    })
}

type Wish = { config: Config; check: boolean; terminal: Terminal }

/** @returns how many databases were behind. */
async function migrateAll(wanted: readonly DatabaseName[], { config, check, terminal }: Wish): Promise<number> {
  // Loaded here only: every other command starts without a PostgreSQL client.
  const { findDatabases } = await import('../platform/databases.ts')
  const { trustAlso } = await import('../platform/trust.ts')
  trustAlso(config.caCertificates)
  const names = wanted.filter((name) => name !== 'broker' || config.brokerUrl === 'postgres')
  const { urls, stop } = await findDatabases(names, config)
  let behind = 0
  try {
    for (const name of names) {
      const isOurs = config.databaseUrls[name] === ''
      const found = await migrateOne(name, urls[name], { admin: isOurs ? '' : config.databaseAdminUrl, check }).catch((error: unknown) => {
        throw new Failure(`${name}: ${oneLine(error)}`)
      })
      if (found.length > 0) behind++
      terminal.out(`${name.padEnd(10)} ${found.length === 0 ? 'up to date' : `${check ? 'lacks' : 'has run'} ${found.join(', ')}`}`)
    }
  } finally {
    await stop()
  }
  return behind
}

/** @returns the migrations that ran, or with `check` those that would. */
async function migrateOne(name: DatabaseName, url: string, { admin, check }: { admin: string; check: boolean }): Promise<string[]> {
  const { migrate, migrationsOf, pendingMigrations } = await import('../platform/migrate.ts')
  const folder = migrationsOf(name)
  if (check) return pendingMigrations(url, folder)
  if (admin === '') return migrate(url, folder)
  const { asAdmin, createDatabase, grantRows } = await import('../platform/database-roles.ts')
  await createDatabase(admin, url)
  const ran = await migrate(asAdmin(admin, url), folder)
  await grantRows(admin, url)
  return ran
}
