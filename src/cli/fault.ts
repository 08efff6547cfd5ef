import { Argument, type Command } from 'commander'
import { OWNERS } from '../platform/config.ts'
import { FAULT_KINDS } from '../platform/faults.ts'
import { durationMs, jsonOption, share, urlOption, wholeNumber, withApi } from './options.ts'
import { type Cell, duration, table } from './table.ts'
import { type Terminal, terminalOf } from './terminal.ts'
import type { FaultJson } from './wire.ts'

type Json = { json?: true }
type Set = Json & { for: number; rate: number; method?: string; latency?: number; count?: number }

const OPTIONS = `
Options of a fault ("comanda fault set --help" shows all)
  --for <time>      how long: 500ms, 30s, 5m, at most 1h (default: 30s)
  --rate <share>    share of calls that it strikes, such as 0.5 (default: all)
  --method <rpc>    only this one, such as AuthorizePayments
  --latency <time>  how long a call is held (only and always of the kind latency)
  --count <calls>   over after as many calls
`

const HELP = `
Kinds
  unavailable   the call fails at once, nothing is done (without --method, --rate and --count the health check says so too)
  error         the call fails with an internal error, nothing is done
  latency       the call is held for --latency, then done, also when its caller gave up
  lose-reply    the work is done, and its answer lost: the nastiest
  crash-before  the process dies, as by kill -9, before the work
  crash-after   the process dies after the work, before its answer

Examples
  comanda fault payment unavailable --for 30s
  comanda fault payment unavailable --for 5m --rate 0.5 --method AuthorizePayments
  comanda fault inventory latency --latency 800ms
  comanda fault shipping lose-reply --count 3
  comanda fault orders crash-after --method PlaceOrders
  comanda fault list
  comanda fault clear payment

A call carries up to some hundred orders. Faults end by themselves, and a restarted service has none.
They are there only with COMANDA_FAULTS=on ("comanda serve all" turns it on on its own PostgreSQL); see docs/FAULTS.md.`

export function faultCommand(program: Command): void {
  const fault = program
    .command('fault')
    .summary('make a service fail on purpose')
    .description('Make a service fail on purpose, for a while.')
    .usage('<service> <kind> [options]')
    .helpCommand(false)
    .addHelpText('after', OPTIONS + HELP)
  addSet(fault)
  addList(fault)
  addClear(fault)
}

function addSet(fault: Command): void {
  fault
    .command('set', { isDefault: true })
    .summary('the same as without "set"')
    .description('Make a service fail on purpose, for a while.')
    .addArgument(service('<service>'))
    .addArgument(new Argument('<kind>', 'how').choices(FAULT_KINDS))
    .option('--for <time>', 'how long: 500ms, 30s, 5m, at most 1h', durationMs, 30_000)
    .option('--rate <share>', 'share of calls that it strikes', share, 1)
    .option('--method <rpc>', 'only this one, such as AuthorizePayments')
    .option('--latency <time>', 'how long a call is held (only and always of the kind latency)', durationMs)
    .option('--count <calls>', 'over after as many calls', wholeNumber(1))
    .addOption(urlOption())
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((name: string, kind: string, options: Set, command: Command) =>
      withApi(command, async (api) => {
        const { for: forMs, rate, method, latency, count } = options
        const more = { ...(method && { method }), ...(latency && { latency_ms: latency }), ...(count && { count }) }
        const set = await api.post<FaultJson>('/faults', { service: name, kind, for_ms: forMs, rate, ...more })
        const terminal = terminalOf(command)
        terminal.out(options.json ? JSON.stringify(set, null, 2) : inWords(set, terminal))
      }),
    )
}

function addList(fault: Command): void {
  fault
    .command('list')
    .description('What is set now.')
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((options: Json, command: Command) =>
      withApi(command, async (api) => {
        const terminal = terminalOf(command)
        const { faults, unreachable } = await api.get<{ faults: FaultJson[]; unreachable: string[] }>('/faults')
        if (options.json) terminal.out(JSON.stringify({ faults, unreachable }, null, 2))
        else terminal.out(faults.length === 0 ? 'No faults are set.' : drawFaults(terminal, faults))
        tellUnreachable(terminal, unreachable)
      }),
    )
}

function addClear(fault: Command): void {
  fault
    .command('clear')
    .description('Clear all faults, or those of one service.')
    .addArgument(service('[service]'))
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((name: string | undefined, options: Json, command: Command) =>
      withApi(command, async (api) => {
        const terminal = terminalOf(command)
        const answer = await api.delete<{ cleared: number; unreachable: string[] }>(`/faults${name ? `?service=${name}` : ''}`)
        const { cleared, unreachable } = answer
        terminal.out(options.json ? JSON.stringify(answer, null, 2) : `${cleared} fault${cleared === 1 ? '' : 's'} cleared.`)
        tellUnreachable(terminal, unreachable)
      }),
    )
}

const service = (name: string) => new Argument(name, 'which service').choices(OWNERS)

function inWords({ service: name, kind, method, rate, latency_ms, count, ends_in_ms }: FaultJson, { colors }: Terminal): string {
  const calls = `${rate < 1 ? `${Math.round(rate * 1e4) / 100}% of ` : ''}${method ? `${method} calls` : 'all calls'}`
  const held = latency_ms === null ? '' : ` of ${duration(latency_ms)}`
  const most = count === null ? '' : `, ${count} at most`
  return `${colors.bold(name)}: ${kind}${held} for ${calls}${most}; over in ${duration(ends_in_ms)}`
}

function drawFaults(terminal: Terminal, faults: FaultJson[]): string {
  const rows = faults.map(({ service: name, kind, method, rate, latency_ms, count, struck, ends_in_ms }): Cell[] => [
    name,
    latency_ms === null ? kind : `${kind} ${duration(latency_ms)}`,
    method ?? 'all',
    String(rate),
    struck,
    count ?? '',
    duration(ends_in_ms),
  ])
  return table(terminal, { heads: ['service', 'kind', 'method', 'rate', 'calls struck', 'at most', 'over in'], rows })
}

function tellUnreachable(terminal: Terminal, services: string[]): void {
  if (services.length > 0) terminal.err(`Could not be asked: ${services.join(', ')} (a service that starts again has no faults)`)
}
