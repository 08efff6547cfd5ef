import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import { Failure } from '../failure.ts'

export type NorthwindProduct = { id: string; name: string; unitPriceMinor: number; unitsInStock: number; isDiscontinued: boolean }
export type NorthwindItem = { productId: string; quantity: number; discountBasisPoints: number; historicPriceMinor: number }
export type NorthwindOrder = {
  id: string
  customerId: string
  shipVia: string
  freightMinor: number
  /** Undefined where the file says NULL. */
  ship: { name: string; address: string; city: string; region: string | undefined; postalCode: string | undefined; country: string }
  items: NorthwindItem[]
}
export type Northwind = { products: NorthwindProduct[]; orders: NorthwindOrder[] }

/** Reads products.csv, orders.csv and order-details.csv of a folder; throws a {@link Failure} that names the file and line that is wrong. */
export function readNorthwind(folder: string): Northwind {
  const products = records(folder, 'products.csv', ['productID', 'productName', 'unitPrice', 'unitsInStock', 'discontinued']).map(
    ({ cell, fail }): NorthwindProduct => ({
      id: cell('productID'),
      name: cell('productName'),
      unitPriceMinor: inCents(cell('unitPrice')) ?? fail('unitPrice'),
      unitsInStock: whole(cell('unitsInStock')) ?? fail('unitsInStock'),
      isDiscontinued: cell('discontinued') === '1',
    }),
  )
  const items = Map.groupBy(
    records(folder, 'order-details.csv', ['orderID', 'productID', 'unitPrice', 'quantity', 'discount']).map(({ cell, fail }) => ({
      orderId: cell('orderID'),
      productId: cell('productID'),
      quantity: whole(cell('quantity')) ?? fail('quantity'),
      discountBasisPoints: fixedPoint(cell('discount'), 4) ?? fail('discount'),
      historicPriceMinor: inCents(cell('unitPrice')) ?? fail('unitPrice'),
    })),
    (item) => item.orderId,
  )
  const orders = records(folder, 'orders.csv', ORDER_COLUMNS).map(({ cell, fail }): NorthwindOrder => {
    const orNull = (name: string) => (cell(name) === 'NULL' ? undefined : cell(name))
    const ship = {
      name: cell('shipName'),
      address: cell('shipAddress'),
      city: cell('shipCity'),
      region: orNull('shipRegion'),
      postalCode: orNull('shipPostalCode'),
      country: cell('shipCountry'),
    }
    const ordered = items.get(cell('orderID'))?.map(({ orderId: _, ...item }) => item)
    return {
      id: cell('orderID'),
      customerId: cell('customerID'),
      shipVia: cell('shipVia'),
      freightMinor: inCents(cell('freight')) ?? fail('freight'),
      ship,
      items: ordered ?? [],
    }
  })
  return { products, orders }
}

const ORDER_COLUMNS = [
  'orderID',
  'customerID',
  'shipVia',
  'freight',
  'shipName',
  'shipAddress',
  'shipCity',
  'shipRegion',
  'shipPostalCode',
  'shipCountry',
]
const LOOSE_COLUMN = 'shipAddress'

type RecordOf = { cell(name: string): string; fail(name: string): never }

function records(folder: string, file: string, needed: string[]): RecordOf[] {
  let text: string
  try {
    text = readFileSync(join(folder, file), 'utf8')
  } catch (error) {
    throw new Failure(
      `${join(folder, file)} can't be read (${(error as NodeJS.ErrnoException).code}); name the folder with Northwind's CSV files`,
    )
  }
  const [header, ...rows] = parse(text, { bom: true, relax_column_count: true, skip_empty_lines: true })
  const missing = needed.filter((name) => !header?.includes(name))
  if (!header || missing.length > 0) throw new Failure(`${file} lacks the columns ${missing.join(', ')}`)
  return rows.map((row, i) => {
    const cells = looseJoined(header, row)
    if (cells.length !== header.length)
      throw new Failure(`${file}, line ${i + 2}: ${row.length} cells, but the header has ${header.length}`)
    const cell = (name: string) => cells[header.indexOf(name)] as string
    const fail = (name: string): never => {
      throw new Failure(`${file}, line ${i + 2}: ${name} is "${cell(name)}"`)
    }
    return { cell, fail }
  })
}

/** Addresses like "Rua do Paço, 67" stand there without quotes (176 of the 830 orders): what is too much belongs to the address. */
function looseJoined(header: string[], row: string[]): string[] {
  const at = header.indexOf(LOOSE_COLUMN)
  const extra = row.length - header.length
  if (extra <= 0 || at < 0) return row
  return [...row.slice(0, at), row.slice(at, at + extra + 1).join(','), ...row.slice(at + extra + 1)]
}

/** "32.38" with 2 places → 3238, without floats in between; undefined when it is no such number or has more places. */
export function fixedPoint(text: string, places: number): number | undefined {
  const match = /^(\d{1,10})(?:\.(\d+))?$/.exec(text)
  const decimals = (match?.[2] ?? '').replace(/0+$/, '')
  return match && decimals.length <= places ? Number(`${match[1]}${decimals.padEnd(places, '0')}`) : undefined
}

const inCents = (text: string) => fixedPoint(text, 2)
const whole = (text: string) => fixedPoint(text, 0)
