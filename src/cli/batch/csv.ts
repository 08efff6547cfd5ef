import { createHash } from 'node:crypto'
import { Failure } from '../failure.ts'
import type { ItemBody, OrderBody } from '../wire.ts'
import { columnsOf, type Row, rowOf } from './csv-columns.ts'
import { csvRecordsOf } from './csv-records.ts'
import { bad, type Entry } from './entry.ts'
import { Occurrences } from './occurrences.ts'

type Group = { reference: string; line: number; end: number; first: Row; items: ItemBody[]; problem?: { line: number; text: string } }

/** Orders of a CSV: a row each, or with a column `order` the rows that follow one another with the same value in it. */
export async function* readCsv(chunks: AsyncIterable<Buffer>): AsyncGenerator<Entry> {
  const records = csvRecordsOf(chunks)
  const header = (await records.next()).value
  if (!header) throw new Failure('the CSV is empty: it needs a header with user_id, product_id, quantity, payment_method')
  const columns = columnsOf(header.cells)
  const referenceAt = columns.findIndex((column) => column.place === 'reference')
  const finished = new Occurrences()
  let group: Group | undefined
  for await (const record of records) {
    const row = record.problem ?? rowOf(columns, record.cells)
    const reference = typeof row === 'string' ? (record.cells[referenceAt] ?? '') : row.reference
    if (group && reference !== '' && reference === group.reference) {
      addRow(group, row, record)
      continue
    }
    if (group) yield entryOf(group)
    group = undefined
    if (typeof row === 'string' && reference === '') yield bad(record, row)
    else
      group = openGroup({
        row,
        reference,
        at: record,
        isAgain: reference !== '' && finished.countBefore(createHash('sha256').update(reference).digest()) > 0,
      })
  }
  if (group) yield entryOf(group)
}

function openGroup({
  row,
  reference,
  at,
  isAgain,
}: {
  row: Row | string
  reference: string
  at: { line: number; end: number }
  isAgain: boolean
}): Group {
  const first = typeof row === 'string' ? { reference, order: {}, item: {}, address: {}, metadata: {} } : row
  const text = isAgain
    ? `order "${reference}" came before: the rows of one order must follow one another`
    : typeof row === 'string'
      ? row
      : undefined
  const items = typeof row === 'string' ? [] : [row.item as ItemBody]
  return { reference, line: at.line, end: at.end, first, items, ...(text && { problem: { line: at.line, text } }) }
}

/** One bad row spoils its order: half an order must not be sent. */
function addRow(group: Group, row: Row | string, at: { line: number; end: number }): void {
  group.end = at.end
  const text = typeof row === 'string' ? row : contradiction(group, row)
  if (text) group.problem ??= { line: at.line, text }
  else group.items.push((row as Row).item as ItemBody)
}

function contradiction(group: Group, row: Row): string | undefined {
  if (group.problem) return undefined
  for (const place of ['order', 'address', 'metadata'] as const) {
    for (const [name, value] of Object.entries(row[place])) {
      const before = (group.first[place] as Record<string, unknown>)[name]
      if (value !== before)
        return `${name} is "${value}", but "${before ?? ''}" on line ${group.line} of the same order "${group.reference}"`
    }
  }
  return undefined
}

function entryOf(group: Group): Entry {
  if (group.problem) return bad({ line: group.problem.line, end: group.end }, group.problem.text)
  const { order, address, metadata } = group.first
  const isWithAddress = Object.keys(address).length > 0
  const named = group.reference === '' ? metadata : { order: group.reference, ...metadata }
  const body = {
    ...order,
    items: group.items,
    ...(isWithAddress && { address }),
    ...(Object.keys(named).length > 0 && { metadata: named }),
  } as OrderBody
  return { kind: 'order', line: group.line, end: group.end, order: body, reference: group.reference }
}
