import { join } from 'node:path'
import type { Command } from 'commander'
import { quietExit } from './failure.ts'
import { importNorthwind } from './northwind/run.ts'
import { urlOption, wholeNumber } from './options.ts'
import { terminalOf } from './terminal.ts'

type Options = { url: string; concurrency: number; ordersOut: string; out?: string; progress: boolean }

const HELP = `
What becomes of what
  products.csv       product nw-<productID>, unitPrice in USD cents, unitsInStock at location "northwind"; discontinued ones can't be ordered
  orders.csv         user = customerID, freight in cents, shipVia 1 (Speedy Express) is express and the others standard,
                     ship columns as the address (NULL is left out, countries as ISO codes), orderID in the metadata
  order-details.csv  items with quantity and discount (0.15 is 1500 basis points). Its prices are history: the catalogue's count.
  payment            credit_card for all: Northwind does not say

Afterwards each outcome, total, shipment and stock is compared with a small model of the rules; exit code 1 when they differ.
A second run sends the same keys and changes nothing. With a concurrency above 1 it is chance who gets the last units, and the model may differ.

Example
  comanda import northwind ../shared/data/northwind`

export function importCommand(program: Command): void {
  const imports = program.command('import').summary('load known data sets').description('Load known data sets.')
  imports
    .command('northwind')
    .description("Load Microsoft's Northwind (77 products, 830 orders) and check what the system makes of it.")
    .argument('<folder>', 'with products.csv, orders.csv and order-details.csv')
    .addOption(urlOption())
    .option('-c, --concurrency <n>', 'orders in flight at a time', wholeNumber(1), 1)
    .option('--orders-out <file>', 'where the orders are written as NDJSON before they are sent', join('data', 'northwind-orders.ndjson'))
    .option('-o, --out <file>', 'write a line of JSON per order')
    .option('--no-progress', 'no progress bar or lines')
    .addHelpText('after', HELP)
    .action(async (folder: string, options: Options, command: Command) => {
      const code = await importNorthwind(terminalOf(command), { folder, ...options, progress: options.progress ? 'shown' : 'hidden' })
      if (code !== 0) throw quietExit(code)
    })
}
