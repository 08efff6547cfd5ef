import { userInfo } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import type { Api } from './api.ts'
import { Failure } from './failure.ts'
import { jsonOption, urlOption, wholeNumber, withApi } from './options.ts'
import { readPages } from './pages.ts'
import { type Cell, count, duration, table } from './table.ts'
import { type Terminal, terminalOf } from './terminal.ts'
import type { DeadLetterJson, DeadMessageJson, QueueJson, ResolvedJson } from './wire.ts'

type Json = { json?: true }
type Filter = { service?: string; work?: string; why?: string }
type Hand = { actor: string; reason: string }

const LOOK_EVERY_MS = 1_000

export function queueCommand(program: Command): void {
  const queue = program
    .command('queue')
    .summary('what waits and for whom; the dead-letter desk')
    .description('Orders that wait for a service that is away, and those on the dead-letter desk, which will not end by themselves.')
    .addHelpText(
      'after',
      '\nExamples\n  comanda queue\n  comanda queue watch\n  comanda queue dead --service payment\n  comanda queue retry 0199d3c2-… --reason "payment is mended"\n  comanda queue cancel --all --work place --reason "too late" --dry-run',
    )
  queue
    .command('list', { isDefault: true })
    .description('What waits, for whom and since when.')
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((options: Json, command: Command) => withApi(command, async (api) => show(terminalOf(command), await read(api), options)))
  queue
    .command('watch')
    .description('The same, whenever it changes, until nothing waits any more.')
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((options: Json, command: Command) => withApi(command, (api) => watch(api, terminalOf(command), options)))
  addDead(queue)
  for (const action of ['retry', 'cancel'] as const) addResolve(queue, action)
  addMessages(queue)
}

const read = (api: Api) => api.get<QueueJson>('/queue')

function show(terminal: Terminal, queue: QueueJson, { json }: Json): void {
  if (json) return void terminal.out(JSON.stringify(queue))
  const { bold, red, green, dim } = terminal.colors
  const rows = queue.parked.map((one): Cell[] => [
    one.service,
    one.service_is_down ? red('down') : green('up'),
    one.work,
    one.count,
    one.oldest_since ? duration(Date.now() - Date.parse(one.oldest_since)) : '',
  ])
  if (rows.length === 0) terminal.out('no order waits')
  else terminal.out(table(terminal, { heads: ['waits for', 'is', 'to', 'orders', 'oldest since'], rows }))
  const messages = queue.broker.queues.reduce((sum, one) => sum + one.ready + one.delayed + one.in_flight, 0)
  const dead = queue.broker.queues.reduce((sum, one) => sum + one.dead, 0)
  terminal.out(`broker ${queue.broker.is_up ? `${green('up')} ${dim(`${count(messages)} messages, ${count(dead)} dead`)}` : red('down')}`)
  if (queue.dead_letters > 0) terminal.out(`${bold(count(queue.dead_letters))} on the dead-letter desk: see "comanda queue dead"`)
}

async function watch(api: Api, terminal: Terminal, options: Json): Promise<void> {
  let shown = ''
  for (;;) {
    const queue = await read(api)
    const counts = JSON.stringify([queue.parked.map((one) => [one.service, one.work, one.count, one.service_is_down]), queue.dead_letters])
    if (counts !== shown) show(terminal, queue, options)
    shown = counts
    if (queue.parked.length === 0) return
    await delay(LOOK_EVERY_MS)
  }
}

const filtered = (command: Command): Command =>
  command
    .addOption(new Option('--service <name>', 'only what waits for it').choices(['inventory', 'payment', 'shipping', 'orders']))
    .addOption(new Option('--work <work>', 'only this work').choices(['place', 'cancel', 'undo', 'settle']))
    .addOption(new Option('--why <reason>', 'only what lies there for this reason').choices(['too_old', 'refused', 'unforeseen_error']))
const filterOf = ({ service, work, why }: Filter) => ({
  ...(service && { service }),
  ...(work && { work }),
  ...(why && { dead_reason: why }),
})

function addDead(queue: Command): void {
  filtered(queue.command('dead').description('The dead-letter desk: what could not be done, why, since when, how often it was tried.'))
    .option('-n, --limit <n>', 'how many at most', wholeNumber(1), 50)
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((options: Json & Filter & { limit: number }, command: Command) =>
      withApi(command, async (api) => {
        const page = { path: '/dead-letters', rows: 'dead_letters', cursor: 'after', limit: options.limit, filters: filterOf(options) }
        const letters = await readPages<DeadLetterJson>(api, page)
        const terminal = terminalOf(command)
        if (options.json) return terminal.out(JSON.stringify(letters, null, 2))
        if (letters.length === 0) return terminal.out('nothing lies on the dead-letter desk')
        const rows = letters.map((one): Cell[] => [
          one.order_id,
          one.status,
          one.work,
          one.service,
          one.dead_reason,
          one.attempts,
          one.last_error,
          one.dead_since,
        ])
        terminal.out(table(terminal, { heads: ['order', 'status', 'to do', 'at', 'why', 'tries', 'last error', 'since'], rows }))
      }),
    )
}

/** Who acts and why, without which nothing is done. */
const handed = (command: Command): Command =>
  command
    .requiredOption('-r, --reason <text>', 'why; it stands in the history of each order')
    .option('--actor <name>', 'who', userInfo().username)

function addResolve(queue: Command, action: 'retry' | 'cancel'): void {
  const what =
    action === 'retry' ? 'Try the work of orders on the desk again.' : 'Cancel orders on the desk; what was done for them is undone.'
  filtered(handed(queue.command(action).description(what).argument('[ids...]', 'of orders')))
    .option('--all', 'all on the desk, or all that --service, --work and --why leave')
    .option('--dry-run', 'change nothing, only show what would be done')
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((ids: string[], options: Json & Filter & Hand & { all?: true; dryRun?: true }, command: Command) => {
      if (ids.length > 0 === (options.all === true)) throw new Failure('give ids of orders, or --all', 2)
      if (ids.length > 0 && options.dryRun) throw new Failure('--dry-run goes with --all', 2)
      return withApi(command, async (api) => {
        const hand = { actor: options.actor, reason: options.reason }
        const done = ids.length > 0 ? await resolveEach(api, { ids, action, hand }) : await resolveAll(api, { action, hand, options })
        tell(terminalOf(command), { action, done, options })
        if (done.refused.length > 0) throw new Failure(`${count(done.refused.length)} of them could not be taken from the desk`)
      })
    })
}

type Done = Pick<ResolvedJson, 'orders' | 'refused' | 'dry_run'>

async function resolveEach(api: Api, { ids, action, hand }: { ids: string[]; action: string; hand: Hand }): Promise<Done> {
  const done: Done = { orders: [], refused: [], dry_run: false }
  for (const order_id of ids) {
    const { status, body } = await api.send({ method: 'POST', path: `/dead-letters/${encodeURIComponent(order_id)}/${action}`, body: hand })
    const { code, detail } = body as { code?: string; detail?: string }
    if (status < 300) done.orders.push(order_id)
    else done.refused.push({ order_id, code: code ?? `http_${status}`, detail: detail ?? '' })
  }
  return done
}

/** Page after page, until nothing more is taken from the desk. */
async function resolveAll(
  api: Api,
  { action, hand, options }: { action: string; hand: Hand; options: Filter & { dryRun?: true } },
): Promise<Done> {
  const done: Done = { orders: [], refused: [], dry_run: options.dryRun === true }
  for (;;) {
    const body = { ...hand, filter: filterOf(options), dry_run: done.dry_run }
    const page = await api.post<ResolvedJson>(`/dead-letters/${action}`, body)
    done.orders.push(...page.orders)
    done.refused = page.refused
    // Those refused stay where they are, and would come again and again.
    if (!page.more || done.dry_run || page.orders.length === 0) return done
  }
}

function tell(terminal: Terminal, { action, done, options }: { action: 'retry' | 'cancel'; done: Done; options: Json }): void {
  if (options.json) return void terminal.out(JSON.stringify(done, null, 2))
  const past = action === 'retry' ? 'retried' : 'cancelled'
  terminal.out(`${count(done.orders.length)} ${done.dry_run ? `would be ${past}` : past}`)
  for (const { order_id, code, detail } of done.refused) terminal.err(`${order_id}: ${code}: ${detail}`)
}

function addMessages(queue: Command): void {
  const messages = queue.command('messages').description("The broker's own dead letters: messages that it could not bring to anybody.")
  messages
    .command('list', { isDefault: true })
    .description('Show them.')
    .option('-n, --limit <n>', 'how many at most', wholeNumber(1), 50)
    .addOption(urlOption())
    .addOption(jsonOption())
    .action((options: Json & { limit: number }, command: Command) =>
      withApi(command, async (api) => {
        const found = await readPages<DeadMessageJson>(api, {
          path: '/dead-letters/messages',
          rows: 'messages',
          cursor: 'after',
          limit: options.limit,
          filters: {},
        })
        const terminal = terminalOf(command)
        if (options.json) return terminal.out(JSON.stringify(found, null, 2))
        if (found.length === 0) return terminal.out('the broker has no dead messages')
        const rows = found.map((one): Cell[] => [one.key, one.attempts, one.error, one.died_at])
        terminal.out(table(terminal, { heads: ['message', 'tries', 'last error', 'since'], rows }))
      }),
    )
  for (const action of ['retry', 'discard'] as const)
    handed(
      messages
        .command(action)
        .description(action === 'retry' ? 'Put them back to their queues.' : 'Throw them away.')
        .argument('<keys...>'),
    )
      .addOption(urlOption())
      .action((keys: string[], { actor, reason }: Hand, command: Command) =>
        withApi(command, async (api) => {
          const answer = await api.post<{ count: number }>(`/dead-letters/messages/${action}`, { keys, actor, reason })
          terminalOf(command).out(`${count(answer.count)} ${action === 'retry' ? 'put back' : 'thrown away'}`)
        }),
      )
}
