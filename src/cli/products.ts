import type { Command } from 'commander'
import type { Api } from './api.ts'
import { jsonOption, urlOption, wholeNumber, withApi } from './options.ts'
import { type Cell, money, table } from './table.ts'
import { terminalOf } from './terminal.ts'
import type { ProductJson } from './wire.ts'

const LOW = 10
const PAGE = 100

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
        const found = await listProducts(api, { limit: options.limit, ...(low !== undefined && { availableAtMost: low }) })
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

/** Products by id, over as many pages as it takes. */
export async function listProducts(
  api: Api,
  { limit, availableAtMost }: { limit: number; availableAtMost?: number },
): Promise<ProductJson[]> {
  const found: ProductJson[] = []
  let after: string | null = null
  do {
    const asked = new URLSearchParams({ limit: String(Math.min(PAGE, limit - found.length)) })
    if (availableAtMost !== undefined) asked.set('available_at_most', String(availableAtMost))
    if (after !== null) asked.set('after', after)
    const page: { products: ProductJson[]; next: string | null } = await api.get(`/products?${asked}`)
    found.push(...page.products)
    after = page.next
  } while (after !== null && found.length < limit)
  return found
}
