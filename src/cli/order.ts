import type { Command } from 'commander'
import { newId } from '../platform/ids.ts'
import { resultOf } from './batch/result.ts'
import { Failure, quietExit } from './failure.ts'
import { jsonOption, urlOption, wholeNumber, withApi } from './options.ts'
import { readPages } from './pages.ts'
import { colored, showOrder } from './show-order.ts'
import { type Cell, money, table } from './table.ts'
import { terminalOf } from './terminal.ts'
import { watchOrder } from './watch.ts'
import { type ExplanationJson, type ItemBody, type OrderJson, problemOf } from './wire.ts'

type PlaceOptions = { user: string; method: string; token?: string; wait?: number; key?: string; json?: true }

export function orderCommand(program: Command): void {
  const order = program
    .command('order')
    .summary('place, see, watch and cancel orders')
    .description('Place, see, watch and cancel orders.')
    .addHelpText(
      'after',
      '\nExamples\n  comanda order place a1=2 b2=1 --user u123\n  comanda order list --status pending\n  comanda order watch 0199d3c2-…\n  comanda order cancel 0199d3c2-… --reason "changed my mind"',
    )
  addPlace(order)
  addReads(order)
  addExplain(order)
  addWatch(order)
  addCancel(order)
}

function addPlace(order: Command): void {
  order
    .command('place')
    .description('Place an order and wait for its end.')
    .argument('<items...>', 'product=quantity, such as a1=2')
    .requiredOption('-u, --user <id>', 'who orders')
    .option('-m, --method <method>', 'credit_card, debit_card, paypal, bank_transfer, cash_on_delivery', 'credit_card')
    .option('-t, --token <token>', 'payment token')
    .option('--wait <seconds>', 'how long the gateway waits for the end; 0: not at all', wholeNumber(0))
    .option('-k, --key <key>', 'Idempotency-Key: the same key gets the same order (a new one when not given)')
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((texts: string[], options: PlaceOptions, command: Command) =>
      withApi(command, async (api) => {
        const body = {
          user_id: options.user,
          items: itemsOf(texts),
          payment_method: options.method,
          ...(options.token && { payment_token: options.token }),
        }
        const prefer = options.wait === undefined ? {} : { prefer: options.wait === 0 ? 'respond-async' : `wait=${options.wait}` }
        const answer = await api.send({
          method: 'POST',
          path: '/orders',
          body,
          headers: { 'idempotency-key': options.key ?? newId(), ...prefer },
          isRepeatable: true,
        })
        const terminal = terminalOf(command)
        const { outcome, order: placed, code, detail, order_id } = resultOf(answer)
        if (options.json) terminal.out(JSON.stringify(answer.body, null, 2))
        else if (placed) terminal.out(showOrder(terminal, placed))
        else if (outcome === 'rejected')
          terminal.err(`${terminal.colors.red('rejected')}: ${code}: ${detail}${order_id ? ` (order ${order_id})` : ''}`)
        if (!options.json && outcome === 'failed') throw new Failure(`${code}: ${detail}`)
        if (outcome === 'rejected' || outcome === 'failed') throw quietExit(1)
      }),
    )
}

/** `a1=2` → product a1, two of it; the number is 1 when not given. */
export function itemsOf(texts: string[]): ItemBody[] {
  return texts.map((text) => {
    const at = text.lastIndexOf('=')
    const [product_id, quantity] = at < 0 ? [text, '1'] : [text.slice(0, at), text.slice(at + 1)]
    if (!product_id || !/^\d{1,9}$/.test(quantity) || Number(quantity) < 1)
      throw new Failure(`"${text}" is not product=quantity, such as a1=2`, 2)
    return { product_id, quantity: Number(quantity) }
  })
}

function addReads(order: Command): void {
  order
    .command('get')
    .description('Show an order.')
    .argument('<id>')
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((id: string, options: { json?: true }, command: Command) =>
      withApi(command, async (api) => {
        const found = await api.get<OrderJson>(`/orders/${encodeURIComponent(id)}`)
        const terminal = terminalOf(command)
        terminal.out(options.json ? JSON.stringify(found, null, 2) : showOrder(terminal, found))
      }),
    )
  order
    .command('list')
    .description('List orders, the newest first.')
    .option('-u, --user <id>', 'of this user only')
    .option('-s, --status <status>', 'with this status only')
    .option('-n, --limit <n>', 'how many at most', wholeNumber(1), 20)
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((options: { user?: string; status?: string; limit: number; json?: true }, command: Command) =>
      withApi(command, async (api) => {
        const filters = { user_id: options.user, status: options.status }
        const orders = await readPages<OrderJson>(api, { path: '/orders', rows: 'orders', cursor: 'before', limit: options.limit, filters })
        const terminal = terminalOf(command)
        const rows = orders.map((one): Cell[] => [
          one.id,
          colored(terminal, one.status),
          one.user_id,
          one.items.length,
          one.currency ? money(one.total_minor, one.currency) : '',
          one.created_at,
        ])
        terminal.out(
          options.json
            ? JSON.stringify(orders, null, 2)
            : table(terminal, { heads: ['order', 'status', 'user', 'items', 'total', 'made'], rows }),
        )
      }),
    )
}

function addExplain(order: Command): void {
  order
    .command('explain')
    .description('Tell in plain words what happened to an order, what it waits for and what comes next.')
    .argument('<id>')
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((id: string, options: { json?: true }, command: Command) =>
      withApi(command, async (api) => {
        const told = await api.get<ExplanationJson>(`/orders/${encodeURIComponent(id)}/explain`)
        const terminal = terminalOf(command)
        if (options.json) return terminal.out(JSON.stringify(told, null, 2))
        const { bold, dim } = terminal.colors
        terminal.out(bold(told.summary))
        for (const { at, text } of told.happened) terminal.out(`${dim(at)}  ${text}`)
        terminal.out(`Next: ${told.next}`)
      }),
    )
}

function addWatch(order: Command): void {
  order
    .command('watch')
    .description('Show the events of an order as they happen, until it is confirmed or has ended.')
    .argument('<id>')
    .option('--to-the-end', 'go on until it is delivered, returned, rejected or cancelled')
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((id: string, options: { toTheEnd?: true; json?: true }, command: Command) =>
      withApi(command, (api) =>
        watchOrder(api, terminalOf(command), { id, until: options.toTheEnd ? 'ended' : 'decided', form: options.json ? 'json' : 'text' }),
      ),
    )
}

function addCancel(order: Command): void {
  order
    .command('cancel')
    .description('Cancel an order that has not been dispatched; all that was done for it is undone.')
    .argument('<id>')
    .option('-r, --reason <text>', 'why')
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((id: string, options: { reason?: string; json?: true }, command: Command) =>
      withApi(command, async (api) => {
        // A cancel repeated changes nothing, so it may be tried again.
        const answer = await api.send({
          method: 'POST',
          path: `/orders/${encodeURIComponent(id)}/cancel`,
          body: options.reason ? { reason: options.reason } : {},
          isRepeatable: true,
        })
        const terminal = terminalOf(command)
        if (options.json) terminal.out(JSON.stringify(answer.body, null, 2))
        if (answer.status >= 300) {
          const { code, detail } = problemOf(answer)
          throw options.json ? quietExit(1) : new Failure(`${code}: ${detail}`)
        }
        if (!options.json) terminal.out(showOrder(terminal, answer.body as OrderJson))
        if (answer.status === 202) terminal.err('what was done for it is still being undone; see "comanda order watch"')
      }),
    )
}
