import type { Command } from 'commander'
import { newId } from '../platform/ids.ts'
import { Failure } from './failure.ts'
import { jsonOption, urlOption, wholeNumber, withApi } from './options.ts'
import { type Cell, table } from './table.ts'
import { type Terminal, terminalOf } from './terminal.ts'
import type { ProductJson } from './wire.ts'

type Json = { json?: true }

export function stockCommand(program: Command): void {
  const stock = program
    .command('stock')
    .summary('see, receive and correct stock')
    .description('See, receive and correct stock.')
    .addHelpText(
      'after',
      '\nExamples\n  comanda stock show a1\n  comanda stock receive a1 --location main --quantity 50\n  comanda stock adjust a1 --location main --on-hand 47 --reason "counted"',
    )
  addShow(stock)
  addReceive(stock)
  addAdjust(stock)
}

function addShow(stock: Command): void {
  stock
    .command('show')
    .description('Stock of a product at each location.')
    .argument('<product>')
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((id: string, options: Json, command: Command) =>
      withApi(command, async (api) => print(terminalOf(command), await api.get(pathOf(id)), options)),
    )
}

function addReceive(stock: Command): void {
  stock
    .command('receive')
    .description('Goods have come in: add them to what is on hand.')
    .argument('<product>')
    .requiredOption('-l, --location <id>', 'where')
    .requiredOption('-q, --quantity <units>', 'how many', wholeNumber(1))
    .option('-r, --reason <text>', 'a remark for the ledger')
    .option('--receipt-id <id>', 'the same receipt is counted once (a new one when not given)')
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((id: string, options: Json & { location: string; quantity: number; reason?: string; receiptId?: string }, command: Command) =>
      withApi(command, async (api) => {
        const { location, quantity, reason, receiptId } = options
        const body = { location_id: location, quantity, ...(reason && { reason }), receipt_id: receiptId ?? newId() }
        print(terminalOf(command), await api.post(`${pathOf(id)}/receive`, body), options)
      }),
    )
}

function addAdjust(stock: Command): void {
  stock
    .command('adjust')
    .description('Set what is on hand, as counted. Refused when it is no longer what you expect.')
    .argument('<product>')
    .requiredOption('-l, --location <id>', 'where')
    .requiredOption('--on-hand <units>', 'what was counted', wholeNumber(0))
    .requiredOption('-r, --reason <text>', 'why, for the ledger')
    .option('--expected <units>', 'what is on hand according to the book (read just before when not given)', wholeNumber(0))
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((id: string, options: Json & { location: string; onHand: number; reason: string; expected?: number }, command: Command) =>
      withApi(command, async (api) => {
        const expected = options.expected ?? onHandAt(await api.get(pathOf(id)), options.location)
        const body = { location_id: options.location, on_hand: options.onHand, expected_on_hand: expected, reason: options.reason }
        print(terminalOf(command), await api.post(`${pathOf(id)}/adjust`, body), options)
      }),
    )
}

const pathOf = (id: string) => `/products/${encodeURIComponent(id)}`

function onHandAt(product: ProductJson, location: string): number {
  const found = product.stock.find((one) => one.location_id === location)
  const known = product.stock.map((one) => one.location_id).join(', ') || 'none'
  if (!found) throw new Failure(`${product.id} has no stock at ${location} (locations: ${known}); "comanda stock receive" brings it there`)
  return found.on_hand
}

function print(terminal: Terminal, product: ProductJson, options: Json): void {
  if (options.json) {
    terminal.out(JSON.stringify(product, null, 2))
    return
  }
  const rows = product.stock.map((one): Cell[] => [one.location_id, one.on_hand, one.reserved, one.available])
  terminal.out(`${terminal.colors.bold(product.id)}  ${product.name}  ${product.status}`)
  terminal.out(table(terminal, { heads: ['location', 'on hand', 'reserved', 'available'], rows }))
}
