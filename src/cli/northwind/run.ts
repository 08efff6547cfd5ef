import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Api, openApi } from '../api.ts'
import { runBatch } from '../batch/run.ts'
import { count, money } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { createProducts, readProducts } from './catalogue.ts'
import { type Actual, actualOf, differences } from './compare.ts'
import { CURRENCY, LOCATION, orderBody } from './convert.ts'
import { type Northwind, readNorthwind } from './files.ts'
import { expectedOf } from './model.ts'

export type ImportOptions = {
  folder: string
  url: string
  concurrency: number
  ordersOut: string
  out?: string
  progress: 'shown' | 'hidden'
}

const MOST_DIFFERENCES = 20

/** Loads products and orders, then says whether the server did what the rules say. Returns the exit code. */
export async function importNorthwind(terminal: Terminal, options: ImportOptions): Promise<number> {
  const northwind = readNorthwind(options.folder)
  const api = openApi({ url: options.url })
  try {
    const { created, existing } = await createProducts(api, northwind.products)
    terminal.err(
      `products: ${count(created)} created at location ${LOCATION}${existing > 0 ? `, ${count(existing)} were there already` : ''}`,
    )

    mkdirSync(dirname(options.ordersOut), { recursive: true })
    writeFileSync(options.ordersOut, northwind.orders.map((order) => `${JSON.stringify(orderBody(order))}\n`).join(''))
    terminal.err(`orders: ${count(northwind.orders.length)} written to ${options.ordersOut}${historicPrices(northwind)}`)

    const { url, concurrency, progress, out } = options
    const actual = new Map<number, Actual>()
    const code = await runBatch(terminal, {
      transport: 'stream',
      file: options.ordersOut,
      format: 'ndjson',
      settleSeconds: 30,
      patienceSeconds: 60,
      keyPrefix: 'northwind-',
      onFinal: (result, answered) => actual.set(result.line, actualOf(result, answered)),
      ...{ url, concurrency, progress },
      ...(out && { out }),
    })
    if (code === 130) return code
    const isAgreed = await check(terminal, { northwind, actual, api })
    return isAgreed ? code : 1
  } finally {
    api.close()
  }
}

function historicPrices({ products, orders }: Northwind): string {
  const prices = new Map(products.map((product) => [product.id, product.unitPriceMinor]))
  const items = orders.flatMap((order) => order.items)
  const other = items.filter((item) => item.historicPriceMinor !== prices.get(item.productId)).length
  return other > 0
    ? `; ${count(other)} of their ${count(items.length)} items were sold at another price then: the catalogue's price counts`
    : ''
}

async function check(
  terminal: Terminal,
  { northwind, actual, api }: { northwind: Northwind; actual: Map<number, Actual>; api: Api },
): Promise<boolean> {
  const { green, red } = terminal.colors
  const model = expectedOf(northwind)
  const found = differences({ northwind, model, actual, products: await readProducts(api, northwind.products) })
  if (found.length > 0) {
    for (const difference of found.slice(0, MOST_DIFFERENCES)) terminal.err(red(difference))
    if (found.length > MOST_DIFFERENCES) terminal.err(`… and ${found.length - MOST_DIFFERENCES} more`)
    terminal.out(red(`server and model differ in ${count(found.length)} places`))
    return false
  }
  const confirmed = model.orders.filter((order) => order.outcome === 'confirmed')
  const totalMinor = confirmed.reduce((sum, order) => sum + order.totalMinor, 0)
  const totals = `${count(confirmed.length)} confirmed for ${money(totalMinor, CURRENCY)}, ${count(model.orders.length - confirmed.length)} rejected with the right reason`
  terminal.out(
    green(`server and model agree on all ${count(model.orders.length)} orders: ${totals}, stock and shipments right to the unit`),
  )
  return true
}
