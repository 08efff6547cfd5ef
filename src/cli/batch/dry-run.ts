import { count, duration, table } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { type Format, openInput } from './input.ts'
import { keyMaker } from './key.ts'

const MOST_EXAMPLES = 10

/** Reads a file of orders and says what is in it; sends nothing. Returns the exit code: 1 when a line is bad. */
export async function dryRun(
  terminal: Terminal,
  { file, format, keyPrefix }: { file: string; format?: Format; keyPrefix: string },
): Promise<number> {
  const started = performance.now()
  const input = await openInput(file, format)
  const keyOf = keyMaker(keyPrefix)
  const counts = { orders: 0, items: 0, bad: 0 }
  let firstKey = ''
  for await (const entry of input.entries) {
    if (entry.kind === 'bad') {
      if (++counts.bad <= MOST_EXAMPLES) terminal.err(terminal.colors.red(`line ${entry.line}: ${entry.problem}`))
      continue
    }
    counts.orders++
    counts.items += entry.order.items.length
    const key = keyOf(entry.order, entry.reference)
    firstKey ||= key
  }
  if (counts.bad > MOST_EXAMPLES) terminal.err(`… and ${count(counts.bad - MOST_EXAMPLES)} more bad lines`)
  const rows = [
    ['format', input.format],
    ['orders', count(counts.orders)],
    ['items', count(counts.items)],
    ['bad lines', count(counts.bad)],
    ['first key', firstKey],
    ['time', duration(performance.now() - started)],
  ]
  terminal.out(table(terminal, { heads: ['dry run', 'nothing was sent'], rows }))
  return counts.bad > 0 ? 1 : 0
}
