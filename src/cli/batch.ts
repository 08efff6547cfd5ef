import { type Command, Option } from 'commander'
import { OPTIONAL_COLUMN_NAMES } from './batch/csv-columns.ts'
import { dryRun } from './batch/dry-run.ts'
import { FORMATS, type Format } from './batch/input.ts'
import { runBatch } from './batch/run.ts'
import { quietExit } from './failure.ts'
import { urlOption, wholeNumber } from './options.ts'
import { terminalOf } from './terminal.ts'

type Options = {
  url: string
  format?: Format
  concurrency: number
  wait?: number
  settle: number
  patience: number
  keyPrefix: string
  out?: string
  progress: boolean
  dryRun?: true
  single?: true
}

const HELP = `
Formats
  NDJSON  one order a line, as POST /orders takes it
  JSON    a list of such orders
  CSV     a header and a row an item; rows one after the other with the same "order" are one order, without that column
          each row is one. Columns (the first line of them is needed):
            user_id, product_id, quantity, payment_method
            ${OPTIONAL_COLUMN_NAMES.slice(0, 8).join(', ')}
            ${OPTIONAL_COLUMN_NAMES.slice(8).join(', ')}

Each order gets an Idempotency-Key made from what it says, so running the same file again sends nothing twice.

Exit code: 0 all orders were taken (confirmed, rejected or pending), 1 something failed, 2 wrong usage, 130 stopped by Ctrl-C

Examples
  comanda batch orders.csv
  comanda batch orders.ndjson --concurrency 128 --out results.ndjson
  comanda batch orders.csv --dry-run
  jq -c '.orders[]' export.json | comanda batch - --format ndjson`

export function batchCommand(program: Command): void {
  program
    .command('batch')
    .summary('send a file of orders')
    .description('Send a file of orders, many at a time, and show what became of them.')
    .argument('<file>', 'JSON, NDJSON or CSV; - for standard input')
    .addOption(urlOption())
    .addOption(new Option('--format <format>', 'instead of looking at the content').choices(FORMATS))
    .option('-c, --concurrency <n>', 'orders in flight at a time', wholeNumber(1), 256)
    .option('--single', 'a request for each order instead of one stream for all')
    .option('--wait <seconds>', 'how long the gateway waits for the end of each order; 0: not at all', wholeNumber(0))
    .option('--settle <seconds>', 'how long to ask for the end of pending orders afterwards', wholeNumber(0), 30)
    .option('--patience <seconds>', 'how long an order is tried again when the gateway is gone or busy', wholeNumber(0), 60)
    .option('--key-prefix <text>', 'start of each Idempotency-Key; another prefix makes new orders', 'batch-')
    .option('-o, --out <file>', 'write a line of JSON per order')
    .option('--no-progress', 'no progress bar or lines')
    .option('--dry-run', 'read and check the file, send nothing')
    .addHelpText('after', HELP)
    .action(async (file: string, options: Options, command: Command) => {
      const { wait, settle, patience, progress, dryRun: isDry, single, ...rest } = options
      const terminal = terminalOf(command)
      const code = isDry
        ? await dryRun(terminal, { file, ...rest })
        : await runBatch(terminal, {
            file,
            ...rest,
            ...(wait !== undefined && { waitSeconds: wait }),
            transport: single ? 'requests' : 'stream',
            settleSeconds: settle,
            patienceSeconds: patience,
            progress: progress ? 'shown' : 'hidden',
          })
      if (code !== 0) throw quietExit(code)
    })
}
