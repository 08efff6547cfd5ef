import { Command, CommanderError, type OutputConfiguration } from 'commander'
import { version } from '../platform/version.ts'
import { auditCommand } from './audit.ts'
import { backupCommand } from './backup.ts'
import { batchCommand } from './batch.ts'
import { certsCommand } from './certs.ts'
import { customersCommand } from './customers.ts'
import { demoCommand } from './demo.ts'
import { doctorCommand } from './doctor.ts'
import { Failure, oneLine } from './failure.ts'
import { faultCommand } from './fault.ts'
import { healthCommand } from './health.ts'
import { importCommand } from './import.ts'
import { keysCommand } from './keys.ts'
import { migrateCommand } from './migrate.ts'
import { orderCommand } from './order.ts'
import { productsCommand } from './products.ts'
import { queueCommand } from './queue.ts'
import { reconcileCommand } from './reconcile.ts'
import { restoreCommand } from './restore.ts'
import { retentionCommand } from './retention.ts'
import { serveCommand } from './serve.ts'
import { stockCommand } from './stock.ts'

const HELP = `
Start here
  comanda serve                                    everything on this machine
  comanda order place a1=2 b2=1 --user u123        place an order
  comanda order watch <id>                         see what happens to it
  comanda products --low                           what is nearly sold out
  comanda batch orders.csv --out results.ndjson    send a file of orders
  comanda queue                                    what waits, and for whom
  comanda demo outage                              take payment down under load and watch nothing get lost
  comanda doctor                                   what runs, what is reachable, what is wrong

"comanda <command> --help" tells more. The gateway is found at --url or COMANDA_URL; where it asks for a key, it is sent
the one in COMANDA_API_KEY ("comanda keys create" makes one).`

/** The program with all its commands; `output` says where it writes. */
export function buildProgram(output: OutputConfiguration = {}): Command {
  const program = new Command('comanda')
    .description('Comanda: takes orders, reserves stock, takes payment and ships, and loses nothing on the way.')
    .version(version)
    .configureOutput({ outputError: (text, write) => write(oneLineError(text)), ...output })
    .configureHelp({ showGlobalOptions: false })
    .showHelpAfterError('(--help shows what is possible)')
    .addHelpText('after', HELP)
    .exitOverride()
  for (const add of [
    serveCommand,
    orderCommand,
    productsCommand,
    stockCommand,
    queueCommand,
    batchCommand,
    importCommand,
    auditCommand,
    reconcileCommand,
    faultCommand,
    keysCommand,
    customersCommand,
    certsCommand,
    demoCommand,
    migrateCommand,
    backupCommand,
    restoreCommand,
    retentionCommand,
    healthCommand,
    doctorCommand,
  ])
    add(program)
  return program
}

/** Commander's "error: …\n(Did you mean …?)" as one line, like every other error. */
const oneLineError = (text: string) =>
  `${text
    .replace(/^error:/, 'comanda:')
    .trim()
    .replaceAll('\n', ' ')}\n`

/** Runs one command line (without node and script); answers the exit code: 0 done, 1 failed, 2 wrong usage. */
export async function run(args: string[], output: OutputConfiguration = {}): Promise<number> {
  const program = buildProgram(output)
  try {
    if (args.length === 0) program.outputHelp()
    else await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    // Commander has written its own words already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (!(error instanceof Failure && error.message === ''))
      program.configureOutput().writeErr?.(`comanda: ${error instanceof Failure ? error.message : oneLine(error)}\n`)
    return error instanceof Failure ? error.exitCode : 1
  }
}

if (import.meta.main) {
  // `comanda … | head` closes our standard output: that is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  const code = await run(process.argv.slice(2))
  if (code !== 0) process.exitCode = code
}
