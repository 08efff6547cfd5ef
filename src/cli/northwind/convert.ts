import { Failure } from '../failure.ts'
import type { AddressBody, OrderBody } from '../wire.ts'
import type { NorthwindOrder, NorthwindProduct } from './files.ts'

export const CURRENCY = 'USD'
export const LOCATION = 'northwind'
/** Northwind does not say how its orders were paid; all by one method, so that only stock decides what is refused. */
export const PAYMENT_METHOD = 'credit_card'
/** Shipper 1 is called Speedy Express. */
const EXPRESS_SHIPPER = '1'

export const productId = (id: string) => `nw-${id}`

/** The 21 countries of Northwind's orders (ISO 3166-1 alpha-2). */
const COUNTRIES: Record<string, string> = {
  Argentina: 'AR',
  Austria: 'AT',
  Belgium: 'BE',
  Brazil: 'BR',
  Canada: 'CA',
  Denmark: 'DK',
  Finland: 'FI',
  France: 'FR',
  Germany: 'DE',
  Ireland: 'IE',
  Italy: 'IT',
  Mexico: 'MX',
  Norway: 'NO',
  Poland: 'PL',
  Portugal: 'PT',
  Spain: 'ES',
  Sweden: 'SE',
  Switzerland: 'CH',
  UK: 'GB',
  USA: 'US',
  Venezuela: 'VE',
}

export function productBody(product: NorthwindProduct) {
  return {
    id: productId(product.id),
    name: product.name,
    unit_price_minor: product.unitPriceMinor,
    currency: CURRENCY,
    status: product.isDiscontinued ? 'discontinued' : 'active',
    stock: [{ location_id: LOCATION, on_hand: product.unitsInStock }],
  }
}

export function orderBody(order: NorthwindOrder): OrderBody {
  return {
    user_id: order.customerId,
    items: order.items.map(({ productId: id, quantity, discountBasisPoints }) => ({
      product_id: productId(id),
      quantity,
      ...(discountBasisPoints > 0 && { discount_basis_points: discountBasisPoints }),
    })),
    payment_method: PAYMENT_METHOD,
    currency: CURRENCY,
    freight_minor: order.freightMinor,
    shipping_method: order.shipVia === EXPRESS_SHIPPER ? 'express' : 'standard',
    address: addressOf(order),
    metadata: { northwind_order: order.id },
  }
}

function addressOf({ id, ship }: NorthwindOrder): AddressBody {
  const country = COUNTRIES[ship.country]
  if (!country) throw new Failure(`orders.csv, order ${id}: the country "${ship.country}" is not known`)
  return {
    name: ship.name,
    line1: ship.address,
    city: ship.city,
    ...(ship.region && { region: ship.region }),
    ...(ship.postalCode && { postal_code: ship.postalCode }),
    country,
  }
}
