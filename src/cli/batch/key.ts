import { createHash } from 'node:crypto'
import type { OrderBody } from '../wire.ts'
import { Occurrences } from './occurrences.ts'

/** JSON with the names in order, so that the same order always gives the same text. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined)
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(',')}}`
}

const digestOf = (text: string) => createHash('sha256').update(text).digest()

/**
 * Gives each order of one input its idempotency key: of what it says, its reference, and how many equal ones came before it.
 * So a second run of the file sends the same keys, wherever the lines now stand and whatever other lines were added;
 * and two equal lines in one file are two orders.
 */
export function keyMaker(prefix: string): (order: OrderBody, reference: string) => string {
  const seen = new Occurrences()
  return (order, reference) => {
    const said = `${JSON.stringify(reference)}\n${canonical(order)}`
    const first = digestOf(said)
    const before = seen.countBefore(first)
    const digest = before === 0 ? first : digestOf(`${said}\n${before}`)
    return prefix + digest.toString('hex', 0, 20)
  }
}
