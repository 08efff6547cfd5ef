import { createHash } from 'node:crypto'
import type { Static } from 'typebox'
import type { PlaceOrderCommand } from '../gen/comanda/v1/orders.ts'
import { newId } from '../platform/ids.ts'
import type { Caller } from './access/caller.ts'
import { invalid, Problem } from './errors.ts'
import type { PlaceOrderBody } from './schemas.ts'

type Body = Static<typeof PlaceOrderBody>

type From = { requestId: string; key: string; caller?: Caller | undefined; traceparent?: string }

/** From the body of POST /orders to the command that orders gets, under a new order id. @throws invalid_request, bound_key. */
export function placeCommand(body: Body, { requestId, key, caller, traceparent = '' }: From): PlaceOrderCommand {
  refuseRepeats('items', 'product_id', body.items)
  refuseBeyondBound(body, caller)
  const { address } = body
  return {
    orderId: newId(),
    requestId,
    traceparent,
    userId: body.user_id,
    items: body.items.map((item) => ({
      productId: item.product_id,
      quantity: item.quantity,
      discountBasisPoints: item.discount_basis_points ?? 0,
    })),
    paymentMethod: body.payment_method,
    paymentToken: body.payment_token ?? '',
    currency: body.currency ?? '',
    expectedTotalMinor: body.expected_total_minor ?? -1,
    freightMinor: body.freight_minor ?? 0,
    shippingMethod: body.shipping_method ?? 'standard',
    address: address && {
      name: address.name,
      line1: address.line1,
      line2: address.line2 ?? '',
      city: address.city,
      region: address.region ?? '',
      postalCode: address.postal_code ?? '',
      country: address.country,
    },
    metadata: body.metadata ?? {},
    // Users can not take each other's keys: no key that comes in has a space.
    idempotencyKey: key && caller?.userId ? `${caller.userId} ${key}` : key,
    fingerprint: key ? createHash('sha256').update(canonical(body)).digest() : new Uint8Array(),
  }
}

/** A key bound to a user is in the user's own hands: it neither orders for others nor gives discounts. @throws bound_key. */
function refuseBeyondBound({ user_id, items }: Body, caller: Caller | undefined): void {
  if (caller?.userId === undefined) return
  if (user_id !== caller.userId) throw new Problem('bound_key', `this key places orders of user ${caller.userId} only`)
  const given = items.findIndex((item) => (item.discount_basis_points ?? 0) > 0)
  if (given >= 0) throw new Problem('bound_key', `items[${given}].discount_basis_points: this key can not give discounts`)
}

/** The Idempotency-Key header, empty when there is none. @throws invalid_request. */
export function idempotencyKey(given: string | string[] | undefined): string {
  if (given === undefined) return ''
  if (typeof given === 'string' && /^[\x21-\x7e]{1,255}$/.test(given)) return given
  throw invalid([{ field: 'header idempotency-key', message: 'must be 1 to 255 visible ASCII characters without spaces' }])
}

/** Each product (or location) once: whether twice means "both" or is a slip, only the client knows. @throws invalid_request naming both positions. */
export function refuseRepeats<K extends string>(list: string, key: K, entries: readonly Record<K, string>[]): void {
  const first = new Map<string, number>()
  const errors = entries.flatMap((entry, i) => {
    const before = first.get(entry[key])
    if (before === undefined) first.set(entry[key], i)
    return before === undefined
      ? []
      : [{ field: `${list}[${i}].${key}`, message: `is the same as ${list}[${before}].${key}; put each in one place` }]
  })
  if (errors.length > 0) throw invalid(errors)
}

/** JSON with sorted keys, so that the same body in another order of its fields is the same. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}
