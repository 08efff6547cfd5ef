import type { Command } from 'commander'
import { jsonOption, urlOption, wholeNumber, withApi } from './options.ts'
import { readPages } from './pages.ts'
import { type Cell, money, table } from './table.ts'
import { terminalOf } from './terminal.ts'
import type { ProductJson } from './wire.ts'

const LOW = 10

export function productsCommand(program: Command): void {
  const products = program.command('products').summary('the catalogue').description('The catalogue.')
  products
    .command('list', { isDefault: true })
    .description('List products with what is available of each.')
    .option('-l, --low [units]', `only those with this many units or fewer available (${LOW} when not given)`, wholeNumber(0))
    .option('-n, --limit <n>', 'how many at most', wholeNumber(1), 1000)
    .addOption(urlOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples\n  comanda products\n  comanda products --low 3')
    .action((options: { low?: number | true; limit: number; json?: true }, command: Command) =>
      withApi(command, async (api) => {
        const low = options.low === true ? LOW : options.low
        const filters = { available_at_most: low?.toString() }
        const found = await readPages<ProductJson>(api, {
          path: '/products',
          rows: 'products',
          cursor: 'after',
          limit: options.limit,
          filters,
        })
        const terminal = terminalOf(command)
        const status = (product: ProductJson) => (product.status === 'active' ? product.status : terminal.colors.yellow(product.status))
        const rows = found.map((product): Cell[] => [
          product.id,
          product.name,
          money(product.unit_price_minor, product.currency),
          product.available,
          status(product),
        ])
        terminal.out(
          options.json
            ? JSON.stringify(found, null, 2)
            : table(terminal, { heads: ['product', 'name', 'unit price', 'available', 'status'], rows }),
        )
      }),
    )
}
