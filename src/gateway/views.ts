import type { Address } from '../gen/comanda/v1/common.ts'
import type { Product } from '../gen/comanda/v1/inventory.ts'
import type { Order, OrderEvent } from '../gen/comanda/v1/orders.ts'
import type { Payment } from '../gen/comanda/v1/payment.ts'
import type { Shipment } from '../gen/comanda/v1/shipping.ts'

/** From the wire's messages to REST's JSON. */

export const iso = (date: Date | undefined): string => date?.toISOString() ?? ''
export const isoOrNull = (date: Date | undefined): string | null => date?.toISOString() ?? null

const addressView = (address: Address | undefined) =>
  address
    ? {
        name: address.name,
        line1: address.line1,
        line2: address.line2,
        city: address.city,
        region: address.region,
        postal_code: address.postalCode,
        country: address.country,
      }
    : null
const itemView = (item: { productId: string; quantity: number }) => ({ product_id: item.productId, quantity: item.quantity })

export function orderView(order: Order) {
  const { waiting } = order
  return {
    id: order.id,
    user_id: order.userId,
    status: order.status,
    items: order.items.map((item) => ({
      product_id: item.productId,
      quantity: item.quantity,
      discount_basis_points: item.discountBasisPoints,
      unit_price_minor: item.unitPriceMinor,
      amount_minor: item.amountMinor,
    })),
    currency: order.currency,
    freight_minor: order.freightMinor,
    total_minor: order.totalMinor,
    payment_method: order.paymentMethod,
    shipping_method: order.shippingMethod,
    address: addressView(order.address),
    metadata: order.metadata,
    payment: order.payment ? { id: order.id, status: order.payment.status, amount_minor: order.payment.amountMinor } : null,
    shipments: order.shipments.map((shipment) => ({
      id: shipment.id,
      status: shipment.status,
      location_id: shipment.locationId,
      carrier: shipment.carrier,
      tracking_number: shipment.trackingNumber,
      items: shipment.items.map(itemView),
    })),
    rejection: order.rejection ? { code: order.rejection.code, message: order.rejection.message } : null,
    cancel_reason: order.cancelReason || null,
    waiting: waiting
      ? {
          work: waiting.work,
          service: waiting.service,
          reason: waiting.reason,
          since: isoOrNull(waiting.since),
          next_try_at: isoOrNull(waiting.nextTryAt),
          attempts: waiting.attempts,
          dead_since: isoOrNull(waiting.deadSince),
          dead_reason: waiting.deadReason || null,
        }
      : null,
    created_at: iso(order.createdAt),
    updated_at: iso(order.updatedAt),
    version: order.version,
  }
}

export const eventView = (event: OrderEvent) => ({
  id: event.id,
  type: event.type,
  at: iso(event.at),
  data: JSON.parse(event.data) as unknown,
})

export function productView(product: Product) {
  const stock = product.stock.map(({ locationId, onHand, reserved }) => ({
    location_id: locationId,
    on_hand: onHand,
    reserved,
    available: onHand - reserved,
  }))
  return {
    id: product.id,
    name: product.name,
    unit_price_minor: product.unitPriceMinor,
    currency: product.currency,
    weight_grams: product.weightGrams,
    status: product.status,
    available: stock.reduce((sum, level) => sum + level.available, 0),
    stock,
    created_at: iso(product.createdAt),
  }
}

export const shipmentView = (shipment: Shipment) => ({
  id: shipment.id,
  order_id: shipment.orderId,
  status: shipment.status,
  location_id: shipment.locationId,
  carrier: shipment.carrier,
  tracking_number: shipment.trackingNumber,
  shipping_method: shipment.shippingMethod,
  address: addressView(shipment.address),
  items: shipment.items.map(itemView),
  weight_grams: shipment.weightGrams,
  created_at: iso(shipment.createdAt),
  updated_at: iso(shipment.updatedAt),
})

export const paymentView = (payment: Payment) => ({
  id: payment.orderId,
  order_id: payment.orderId,
  status: payment.status,
  method: payment.method,
  amount_minor: payment.amountMinor,
  currency: payment.currency,
  captured_minor: payment.capturedMinor,
  refunded_minor: payment.refundedMinor,
  provider_ref: payment.providerRef || null,
  decline_code: payment.declineCode || null,
  created_at: iso(payment.createdAt),
  updated_at: iso(payment.updatedAt),
})
