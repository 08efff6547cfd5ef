import { type Command, Option } from 'commander'
import { openApi } from './api.ts'
import { drawReport, runAudit } from './audit.ts'
import { type OutageOptions, runOutage } from './demo/outage.ts'
import { PHASE_HEADS, phaseRows, praise, problemsOf, type Story } from './demo/verdict.ts'
import { Failure, quietExit } from './failure.ts'
import { urlOption, wholeNumber } from './options.ts'
import { table } from './table.ts'
import { type Terminal, terminalOf } from './terminal.ts'

type Options = { url: string; seconds: number; rate: number; service: string; kill?: true }

const HELP = `
What happens
  1. customers order at a steady rate; all is well for a quarter of the time
  2. the service goes down for half of it: orders are answered 202 and wait
  3. it comes back: what waits is drained while new orders go on
  4. when all orders have ended, the audit looks at every order, unit of stock and cent

It orders a product of its own (demo-outage) and leaves the catalogue's stock alone. Needs COMANDA_FAULTS=on ("comanda serve all" turns it on).

Exit code: 0 nothing was lost, 1 something went wrong, 2 it could not be found out

Examples
  comanda demo outage
  comanda demo outage --service inventory --seconds 60 --rate 100
  comanda demo outage --kill`

export function demoCommand(program: Command): void {
  program
    .command('demo')
    .summary('see it keep its promises')
    .description('See it keep its promises.')
    .command('outage')
    .description('Take a service down while customers order, let it come back, and show that nothing was lost.')
    .addOption(new Option('--service <name>', 'which goes down').choices(['payment', 'inventory', 'shipping']).default('payment'))
    .option('--seconds <n>', 'how long customers order', wholeNumber(8), 24)
    .option('--rate <n>', 'orders a second', wholeNumber(1), 40)
    .option('--kill', 'let its process die again and again (kill -9 by itself) instead of refusing calls')
    .addOption(urlOption())
    .addHelpText('after', HELP)
    .action(async ({ url, seconds, rate, service, kill }: Options, command: Command) => {
      await outage(url, terminalOf(command), { seconds, perSecond: rate, service, kind: kill ? 'crash-before' : 'unavailable' })
    })
}

async function outage(url: string, terminal: Terminal, options: OutageOptions): Promise<void> {
  // Before anything else: a demo that ends without its audit shows nothing.
  const before = await runAudit({ wait: 0, now: true }, terminal)
  if (!before.ok) throw new Failure('the audit is broken already: see "comanda audit"')
  // As many connections as orders may be open while the gateway waits for their end.
  const api = openApi({ url, connections: 512 })
  try {
    const story = await runOutage(api, terminal, options)
    const report = await runAudit({ wait: 60 }, terminal)
    terminal.out(drawReport(report, terminal))
    terminal.out(table(terminal, { heads: PHASE_HEADS, rows: phaseRows(story) }))
    tellVerdict(terminal, story, [...problemsOf(story), ...(report.ok ? [] : ['the audit found what must not be'])])
  } finally {
    api.close()
  }
}

function tellVerdict(terminal: Terminal, story: Story, problems: string[]): void {
  const { colors } = terminal
  for (const problem of problems) terminal.out(colors.red(`✗ ${problem}`))
  if (problems.length > 0) throw quietExit(1)
  terminal.out(colors.bold(colors.green(`✓ ${praise(story)}`)))
}
