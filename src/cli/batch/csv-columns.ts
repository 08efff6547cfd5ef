import { Failure } from '../failure.ts'

type Column = { place: 'reference' | 'order' | 'item' | 'address' | 'metadata'; name: string; kind: 'text' | 'whole' }

const column = (place: Column['place'], name: string, kind: Column['kind'] = 'text'): Column => ({ place, name, kind })
const ADDRESS = ['name', 'line1', 'line2', 'city', 'region', 'postal_code', 'country']

/** Every column that an order CSV can have, and where it goes. `metadata.<name>` columns are taken too. */
const COLUMNS: Record<string, Column> = {
  order: column('reference', 'order'),
  user_id: column('order', 'user_id'),
  product_id: column('item', 'product_id'),
  quantity: column('item', 'quantity', 'whole'),
  discount_basis_points: column('item', 'discount_basis_points', 'whole'),
  payment_method: column('order', 'payment_method'),
  payment_token: column('order', 'payment_token'),
  currency: column('order', 'currency'),
  freight_minor: column('order', 'freight_minor', 'whole'),
  expected_total_minor: column('order', 'expected_total_minor', 'whole'),
  shipping_method: column('order', 'shipping_method'),
  ...Object.fromEntries(ADDRESS.map((name) => [`address.${name}`, column('address', name)])),
}

const REQUIRED = ['user_id', 'product_id', 'quantity', 'payment_method']
export const OPTIONAL_COLUMN_NAMES = [...Object.keys(COLUMNS).filter((name) => !REQUIRED.includes(name)), 'metadata.<name>']

/** The columns of a header. Throws a {@link Failure} that names what is missing, unknown or there twice: a misspelt discount must not be lost silently. */
export function columnsOf(header: string[]): Column[] {
  const names = header.map((cell) => cell.trim().toLowerCase())
  const missing = REQUIRED.filter((name) => !names.includes(name))
  const twice = names.filter((name, i) => names.indexOf(name) !== i)
  const unknown = names.filter((name) => !COLUMNS[name] && !/^metadata\..+/.test(name))
  const problems = [
    missing.length > 0 && `it lacks ${missing.join(', ')}`,
    unknown.length > 0 && `it has unknown ${unknown.map((name) => `"${name}"`).join(', ')}`,
    twice.length > 0 && `it has ${[...new Set(twice)].join(', ')} twice`,
  ].filter(Boolean)
  if (problems.length > 0)
    throw new Failure(
      `the header of the CSV is wrong: ${problems.join('; ')} (columns: ${[...REQUIRED, ...OPTIONAL_COLUMN_NAMES].join(', ')})`,
    )
  return names.map((name) => COLUMNS[name] ?? column('metadata', name.slice('metadata.'.length)))
}

export type Row = {
  reference: string
  order: Record<string, unknown>
  item: Record<string, unknown>
  address: Record<string, string>
  metadata: Record<string, string>
}

/** The values of one record, each in its place; empty cells are left out. A string instead: what is wrong with it. */
export function rowOf(columns: Column[], cells: string[]): Row | string {
  if (cells.length !== columns.length) return `${cells.length} cells, but the header has ${columns.length}`
  const row: Row = { reference: '', order: {}, item: {}, address: {}, metadata: {} }
  for (const [i, { place, name, kind }] of columns.entries()) {
    const text = cells[i] as string
    if (text === '') {
      if (REQUIRED.includes(name) && place !== 'metadata') return `${name} is empty`
      continue
    }
    if (kind === 'whole' && !/^-?\d{1,15}$/.test(text)) return `${name} is "${text}", but must be a whole number`
    if (place === 'reference') row.reference = text
    else if (place === 'order') row.order[name] = kind === 'whole' ? Number(text) : text
    else if (place === 'item') row.item[name] = kind === 'whole' ? Number(text) : text
    else row[place][name] = text
  }
  return row
}
