import type { Order as OrderMessage, PlaceOrderCommand } from '../gen/comanda/v1/orders.ts'
import type { Order } from './order.ts'

/** Between the domain's order and the wire's. */

export function orderMessage(order: Order): OrderMessage {
  return {
    id: order.id,
    userId: order.user_id,
    status: order.status,
    items: order.items.map((item) => ({
      productId: item.product_id,
      quantity: item.quantity,
      discountBasisPoints: item.discount_basis_points,
      unitPriceMinor: item.unit_price_minor,
      amountMinor: item.amount_minor,
    })),
    currency: order.currency,
    freightMinor: order.freight_minor,
    totalMinor: order.total_minor,
    expectedTotalMinor: order.expected_total_minor ?? -1,
    paymentMethod: order.payment_method,
    shippingMethod: order.shipping_method,
    address: order.address ? { ...order.address, postalCode: order.address.postal_code } : undefined,
    metadata: order.metadata,
    payment: order.payment ? { status: order.payment.status, amountMinor: order.payment.amount_minor } : undefined,
    shipments: order.shipments.map((shipment) => ({
      id: shipment.id,
      status: shipment.status,
      locationId: shipment.location_id,
      carrier: shipment.carrier,
      trackingNumber: shipment.tracking_number,
      items: shipment.items.map((item) => ({ productId: item.product_id, quantity: item.quantity })),
    })),
    rejection: order.rejection_code ? { code: order.rejection_code, message: order.rejection_message ?? '' } : undefined,
    waiting: waitingOf(order),
    createdAt: order.created_at,
    updatedAt: order.updated_at,
    version: order.version,
    requestId: order.request_id,
    cancelReason: order.cancel_reason ?? '',
  }
}

function waitingOf(order: Order): OrderMessage['waiting'] {
  if (!order.work || !order.waiting_service) return undefined
  return {
    work: order.work,
    service: order.waiting_service,
    reason: order.waiting_reason ?? '',
    since: order.waiting_since ? new Date(order.waiting_since) : undefined,
    nextTryAt: order.dead_at ? undefined : (order.due_at ?? undefined),
    attempts: order.attempts,
    deadSince: order.dead_at ? new Date(order.dead_at) : undefined,
    deadReason: order.dead_reason ?? '',
  }
}

/** A new order as the gateway's command describes it; its times are the database's, once it is accepted. */
export function newOrder(command: PlaceOrderCommand): Order {
  const { address } = command
  const now = new Date(0)
  return {
    id: command.orderId,
    user_id: command.userId,
    status: 'pending',
    items: command.items.map((item) => ({
      product_id: item.productId,
      quantity: item.quantity,
      discount_basis_points: item.discountBasisPoints,
      unit_price_minor: 0,
      amount_minor: 0,
    })),
    currency: command.currency,
    freight_minor: command.freightMinor,
    total_minor: 0,
    expected_total_minor: command.expectedTotalMinor < 0 ? null : command.expectedTotalMinor,
    payment_method: command.paymentMethod,
    payment_token: command.paymentToken,
    shipping_method: command.shippingMethod,
    address: address
      ? {
          name: address.name,
          line1: address.line1,
          line2: address.line2,
          city: address.city,
          region: address.region,
          postal_code: address.postalCode,
          country: address.country,
        }
      : null,
    metadata: command.metadata,
    request_id: command.requestId,
    traceparent: command.traceparent,
    idempotency_key: command.idempotencyKey || null,
    fingerprint: Buffer.from(command.fingerprint).toString('base64url'),
    payment: null,
    shipments: [],
    rejected_by: null,
    rejection_code: null,
    rejection_message: null,
    work: 'place',
    due_at: now,
    epoch: 1,
    attempts: 0,
    waiting_service: null,
    waiting_reason: null,
    waiting_since: null,
    dead_at: null,
    dead_reason: null,
    cancel_reason: null,
    version: 1,
    created_at: now,
    updated_at: now,
  }
}
