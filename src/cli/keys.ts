import { type Command, InvalidArgumentError } from 'commander'
import type { ApiKey } from '../gen/comanda/v1/access.ts'
import { makeKey, SCOPES } from '../platform/api-key.ts'
import { fromWire } from '../platform/outcome.ts'
import { Failure } from './failure.ts'
import type { Keys } from './keys-access.ts'
import { durationMs, jsonOption, settings, wholeNumber } from './options.ts'
import { type Cell, table } from './table.ts'
import { terminalOf } from './terminal.ts'

type Json = { json?: true }
type Create = Json & { name: string; scopes: string[]; expires?: number; user?: string }

const PAGE = 200
const HELP = `
Scopes
${Object.entries(SCOPES)
  .map(([scope, meaning]) => `  ${scope.padEnd(16)} ${meaning}`)
  .join('\n')}

A key bound to a user (--user) sees and places only that user's orders.

This is the operator's command: it needs no key. It works on the database of orders where ORDERS_DATABASE_URL is set, else through orders (ORDERS_ADDRESS).
To change a key for another: create the new one, give it out, and revoke the old one when "last used" tells that nobody uses it any more.

Examples
  comanda keys create --name shop --scopes orders:read,orders:write,stock:read
  comanda keys create --name warehouse --scopes orders:read,stock:read,stock:write,shipments:write --expires 90d
  comanda keys create --name "app of u123" --scopes orders:read,orders:write --user u123 --expires 30d
  KEY=$(comanda keys create --name operator --scopes all)
  comanda keys list
  comanda keys revoke 3f0c9a1be2d47586`

export function keysCommand(program: Command): void {
  const keys = program
    .command('keys')
    .summary('make and revoke the API keys of the gateway')
    .description('Make, list and revoke the API keys of the gateway.')
    .addHelpText('after', HELP)
  addCreate(keys)
  addList(keys)
  addRevoke(keys)
}

function addCreate(keys: Command): void {
  keys
    .command('create')
    .summary('make a key and show it, once')
    .description('Make a key. It is printed once and kept nowhere: only its SHA-256 is stored.')
    .requiredOption('--name <text>', 'what it is for, to be known by in lists')
    .requiredOption('--scopes <list>', 'what it may do, with commas between; all: everything', scopes)
    .option('--expires <time>', 'how long it is good: 12h, 90d (default: for ever)', durationMs)
    .option('--user <id>', "bind it to a user: it sees and places only this user's orders")
    .addOption(jsonOption())
    .addHelpText('after', HELP)
    .action((options: Create, command: Command) =>
      withKeys(async (access) => {
        const { text, ...credential } = makeKey()
        const { name, scopes: wanted, expires, user: userId = '' } = options
        const expiresAt = expires === undefined ? undefined : new Date(Date.now() + expires)
        const wish = { ...credential, name, scopes: wanted, userId, expiresAt }
        const key = done((await access.createKeys({ commands: [wish] })).outcomes[0])
        const terminal = terminalOf(command)
        if (options.json) return terminal.out(JSON.stringify({ ...json(key), key: text }, null, 2))
        // The key alone goes to standard output, so that it can be caught without being seen.
        terminal.out(text)
        terminal.err(`Key ${key.id} (${key.name}) may ${key.scopes.join(', ')}${inWords(key)}. It is shown only this once.`)
      }),
    )
}

function addList(keys: Command): void {
  keys
    .command('list', { isDefault: true })
    .description('List the keys that are good.')
    .option('--all', 'also those that were revoked or have expired')
    .option('-n, --limit <n>', 'how many at most, the newest first', wholeNumber(1), PAGE)
    .addOption(jsonOption())
    .action((options: Json & { all?: true; limit: number }, command: Command) =>
      withKeys(async (access) => {
        const found = await readKeys(access, { all: options.all ?? false, limit: options.limit })
        const terminal = terminalOf(command)
        if (options.json) return terminal.out(JSON.stringify(found.map(json), null, 2))
        if (found.length === 0) return terminal.out('there are no keys')
        const rows = found.map((key): Cell[] => [
          key.id,
          key.name,
          key.scopes.join('\n'),
          key.userId || 'all',
          day(key.createdAt),
          key.revokedAt ? `revoked ${day(key.revokedAt)}` : key.expiresAt ? day(key.expiresAt) : 'never',
          key.lastUsedAt ? minute(key.lastUsedAt) : 'never',
        ])
        terminal.out(table(terminal, { heads: ['id', 'name', 'scopes', 'whose orders', 'made', 'ends', 'last used'], rows }))
      }),
    )
}

function addRevoke(keys: Command): void {
  keys
    .command('revoke')
    .description('End keys for good. Gateways notice within seconds; one that can not reach orders, after KEY_MEMORY_MS at the latest.')
    .argument('<ids...>', 'ids of keys, as "comanda keys list" shows them')
    .action((ids: string[], _options: object, command: Command) =>
      withKeys(async (access) => {
        const { outcomes } = await access.revokeKeys({ keyIds: ids.map(idOf) })
        const terminal = terminalOf(command)
        const answers = outcomes.map((outcome) => fromWire<ApiKey>(outcome))
        for (const answer of answers)
          if (answer.kind === 'done') terminal.out(`${answer.value.id} (${answer.value.name}) is revoked`)
          else terminal.err(answer.message)
        if (answers.some(({ kind }) => kind !== 'done')) throw new Failure('not all of them are revoked')
      }),
    )
}

/** Who pastes a whole key means it all the same; nothing but its id goes on from here. */
const idOf = (given: string): string => /^cmd_([0-9a-f]{16})_/.exec(given)?.[1] ?? given

function scopes(list: string): string[] {
  if (list === 'all') return Object.keys(SCOPES)
  const chosen = list.split(',').map((scope) => scope.trim())
  const unknown = chosen.find((scope) => !Object.hasOwn(SCOPES, scope))
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no scope "${unknown}". There are ${Object.keys(SCOPES).join(', ')}.`)
  return chosen
}

async function readKeys(access: Keys, { all, limit }: { all: boolean; limit: number }): Promise<ApiKey[]> {
  const found: ApiKey[] = []
  for (let before = ''; found.length < limit; ) {
    const query = { before, all, limit: Math.min(PAGE, limit - found.length) }
    const [page] = (await access.listKeys({ queries: [query] })).pages
    found.push(...(page?.keys ?? []))
    if (!page?.next) break
    before = page.next
  }
  return found
}

function done(outcome: Parameters<typeof fromWire<ApiKey>>[0]): ApiKey {
  const answer = fromWire<ApiKey>(outcome)
  if (answer.kind === 'done') return answer.value
  throw new Failure(answer.message, 2)
}

const day = (at: Date | undefined): string => at?.toISOString().slice(0, 10) ?? ''
const minute = (at: Date): string => at.toISOString().slice(0, 16).replace('T', ' ')
const inWords = ({ userId, expiresAt }: ApiKey): string =>
  `${userId ? `, for orders of user ${userId} only` : ''}${expiresAt ? `, until ${minute(expiresAt)} UTC` : ''}`

const json = ({ id, name, scopes: may, userId, createdAt, expiresAt, revokedAt, lastUsedAt }: ApiKey) => ({
  ...{ id, name, scopes: may, user_id: userId || null, created_at: createdAt ?? null, expires_at: expiresAt ?? null },
  ...{ revoked_at: revokedAt ?? null, last_used_at: lastUsedAt ?? null },
})

async function withKeys(action: (access: Keys) => Promise<void>): Promise<void> {
  // Loaded here only: the services' code would slow every other command's start.
  const { openKeys, whyNotReached } = await import('./keys-access.ts')
  const access = await openKeys(settings())
  try {
    await action(access)
  } catch (error) {
    const why = whyNotReached(error)
    throw why === undefined ? error : new Failure(why)
  } finally {
    await access.close()
  }
}
