import { createHash } from 'node:crypto'
import type { Static } from 'typebox'
import type { Order } from '../../gen/comanda/v1/orders.ts'
import { isUuid, newId } from '../../platform/ids.ts'
import type { App, GatewayDependencies } from '../app.ts'
import { invalid, Problem, refusal } from '../errors.ts'
import { CancelBody, OrderId, OrdersQuery, PlaceOrderBody } from '../schemas.ts'
import { EventsView, OrdersView, OrderView, ProblemView } from '../view-schemas.ts'
import { eventView, orderView } from '../views.ts'
import { waitFrom } from '../wait.ts'

const tags = ['orders']
const PAGE = 50
const problems = { '4xx': ProblemView, '5xx': ProblemView }

export function orderRoutes(app: App, { clients, waitMs, log }: GatewayDependencies): void {
  const place = { summary: 'Place an order', tags, body: PlaceOrderBody, response: { 200: OrderView, 201: OrderView, 202: OrderView, ...problems } }
  app.post('/orders', { schema: place }, async (request, reply) => {
    const key = idempotencyKey(request.headers['idempotency-key'])
    const command = placeCommand(request.body, { requestId: request.id, key })
    const { accepted, ended } = await clients.placeOrder(command)
    if (accepted.kind === 'refused') throw refusal(accepted)
    if (accepted.kind === 'unknown') throw new Problem('unavailable', accepted.message, { retryAfter: 1 })
    const order = await asFarAsItComes({ accepted: accepted.value, ended, ms: waitFrom(request.headers.prefer, waitMs) })
    log.info({ order_id: order.id, request_id: request.id, status: order.status, code: order.rejection?.code, waits_for: order.waiting?.service }, 'POST /orders')
    reply.header('location', `/orders/${order.id}`)
    return reply.code(statusFor(reply, order)).send(orderView(order))
  })

  app.get('/orders/:id', { schema: { summary: 'Get an order', tags, params: OrderId, response: { 200: OrderView, ...problems } } }, async (request) => {
    return orderView(await known(request.params.id))
  })

  const list = { summary: 'List orders, newest first', tags, querystring: OrdersQuery, response: { 200: OrdersView, ...problems } }
  app.get('/orders', { schema: list }, async (request) => {
    const { user_id: userId = '', status = '', before = '', limit, from, to } = request.query
    const page = await clients.listOrders({ userId, status, before, from: time('from', from), to: time('to', to), limit: Number(limit ?? PAGE) })
    return { orders: page.orders.map(orderView), next: page.next || null }
  })

  app.get('/orders/:id/events', { schema: { summary: 'The history of an order', tags, params: OrderId, response: { 200: EventsView, ...problems } } }, async (request) => {
    await known(request.params.id)
    const history = await clients.listOrderEvents(request.params.id)
    return { events: (history?.events ?? []).map(eventView) }
  })

  const cancel = { summary: 'Cancel an order, any time before dispatch', tags, params: OrderId, body: CancelBody, response: { 200: OrderView, 202: OrderView, ...problems } }
  app.post('/orders/:id/cancel', { schema: cancel }, async (request, reply) => {
    const orderId = request.params.id
    if (!isUuid(orderId)) throw unknownOrder()
    const { reason = '' } = (request.body ?? {}) as { reason?: string }
    const answer = await clients.cancelOrder({ orderId, requestId: request.id, reason })
    if (answer.kind === 'refused') throw refusal(answer)
    if (answer.kind === 'unknown') throw new Problem('unavailable', answer.message, { retryAfter: 1 })
    const order = answer.value
    const isUndone = order.status === 'cancelled' && !order.waiting
    if (!isUndone) reply.header('retry-after', 1)
    return reply.code(isUndone ? 200 : 202).send(orderView(order))
  })

  async function known(id: string): Promise<Order> {
    const order = isUuid(id) ? await clients.getOrder(id) : undefined
    if (!order) throw unknownOrder()
    return order
  }

  /** The order's end, or how it stands when the time is up or the connection to orders broke. */
  async function asFarAsItComes({ accepted, ended, ms }: { accepted: Order; ended: Promise<Order | undefined>; ms: number }): Promise<Order> {
    if (accepted.status !== 'pending' || ms === 0) return accepted
    let timer: NodeJS.Timeout | undefined
    const timeUp = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, ms, undefined)
    })
    const end = await Promise.race([ended, timeUp])
    clearTimeout(timer)
    return end ?? (await clients.getOrder(accepted.id).catch(() => undefined)) ?? accepted
  }
}

const unknownOrder = () => new Problem('unknown_order', 'there is no such order')

/** 201 confirmed, 202 not final yet, 200 cancelled (a repeat of a key); throws for what was rejected. */
function statusFor(reply: { header(name: string, value: unknown): unknown }, order: Order): number {
  switch (order.status) {
    case 'rejected':
      throw refusal(order.rejection ?? { code: 'order_rejected', message: 'the order was rejected' }, { order_id: order.id })
    case 'cancelled':
      return 200
    case 'pending':
      reply.header('retry-after', 1)
      return 202
    default:
      return 201
  }
}

function idempotencyKey(given: string | string[] | undefined): string {
  if (given === undefined) return ''
  if (typeof given === 'string' && /^[\x21-\x7e]{1,255}$/.test(given)) return given
  throw invalid([{ field: 'header idempotency-key', message: 'must be 1 to 255 visible ASCII characters without spaces' }])
}

function time(field: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const date = new Date(text)
  if (Number.isNaN(date.getTime())) throw invalid([{ field: `querystring ${field}`, message: 'must be a time such as 2026-01-31T12:00:00Z' }])
  return date
}

function placeCommand(body: Static<typeof PlaceOrderBody>, { requestId, key }: { requestId: string; key: string }) {
  refuseDoubles(body.items)
  const { address } = body
  return {
    orderId: newId(),
    requestId,
    userId: body.user_id,
    items: body.items.map((item) => ({ productId: item.product_id, quantity: item.quantity, discountBasisPoints: item.discount_basis_points ?? 0 })),
    paymentMethod: body.payment_method,
    paymentToken: body.payment_token ?? '',
    currency: body.currency ?? '',
    expectedTotalMinor: body.expected_total_minor ?? -1,
    freightMinor: body.freight_minor ?? 0,
    shippingMethod: body.shipping_method ?? 'standard',
    address: address
      ? {
          ...{ name: address.name, line1: address.line1, line2: address.line2 ?? '', city: address.city },
          ...{ region: address.region ?? '', postalCode: address.postal_code ?? '', country: address.country },
        }
      : undefined,
    metadata: body.metadata ?? {},
    idempotencyKey: key,
    fingerprint: key ? createHash('sha256').update(canonical(body)).digest() : new Uint8Array(),
  }
}

function refuseDoubles(items: readonly { product_id: string }[]): void {
  const seen = new Map<string, number>()
  items.forEach(({ product_id }, i) => {
    const first = seen.get(product_id)
    if (first !== undefined) throw invalid([{ field: `items[${i}].product_id`, message: `is the same as items[${first}].product_id; put each product in one item` }])
    seen.set(product_id, i)
  })
}

/** JSON with sorted keys, so that the same body in another order of its fields is the same. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  )
}
