import type { OrderBody } from '../wire.ts'

/** What a reader finds: an order with the line it starts on, or a line that holds none. `end` is how far into the input it reaches, in bytes. */
export type GoodEntry = { kind: 'order'; line: number; end: number; order: OrderBody; reference: string }
export type BadEntry = { kind: 'bad'; line: number; end: number; problem: string }
export type Entry = GoodEntry | BadEntry

/** Beyond this a line can't be an order: the gateway takes 64 KiB. It also bounds the memory that a damaged file can ask for. */
export const LONGEST_ENTRY_BYTES = 1024 * 1024

export const bad = (at: { line: number; end: number }, problem: string): BadEntry => ({ kind: 'bad', line: at.line, end: at.end, problem })

/** An entry from JSON text. Only its outline is checked here; the gateway knows the rest and names each bad field. */
export function entryFromJson(at: { line: number; end: number }, text: string): Entry {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return bad(at, `not JSON: ${(error as Error).message}`)
  }
  const problem = outlineProblem(value)
  return problem ? bad(at, problem) : { kind: 'order', line: at.line, end: at.end, order: value as OrderBody, reference: '' }
}

function outlineProblem(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'not an order: an object with user_id, items and payment_method is wanted'
  const order = value as Record<string, unknown>
  const missing = ['user_id', 'items', 'payment_method'].filter((name) => order[name] === undefined)
  if (missing.length > 0) return `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`
  if (!Array.isArray(order.items) || order.items.length === 0) return 'items must be a list with at least one item'
  for (const [i, item] of order.items.entries()) {
    if (typeof item?.product_id !== 'string' || item.product_id === '') return `items[${i}].product_id must be text`
    if (!Number.isSafeInteger(item.quantity) || item.quantity < 1) return `items[${i}].quantity must be a whole number of 1 or more`
  }
  return undefined
}
