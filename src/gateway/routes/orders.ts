import type { Order } from '../../gen/comanda/v1/orders.ts'
import { isUuid } from '../../platform/ids.ts'
import { type Caller, sees, seesOrder } from '../access/caller.ts'
import type { App, GatewayDependencies } from '../dependencies.ts'
import { doneOrThrow, Problem } from '../errors.ts'
import { explain } from '../explain.ts'
import { idempotencyKey, placeCommand } from '../place-command.ts'
import { placing } from '../placing.ts'
import { CancelBody, OrderId, OrdersQuery, PlaceHeaders, PlaceOrderBody } from '../schemas.ts'
import { timeOf } from '../times.ts'
import { EventsView, ExplanationView, OrdersView, OrderView } from '../view-schemas.ts'
import { eventView, orderView } from '../views.ts'
import { type WaitingRoom, waitFrom } from '../wait.ts'

const tags = ['orders']
const PAGE = 50
const config = { scope: 'orders:read', problems: ['unknown_order'] } as const

export function orderRoutes(app: App, dependencies: GatewayDependencies & { room: WaitingRoom }): void {
  const { clients, waitMs } = dependencies
  const place = placing(dependencies)
  const post = {
    summary: 'Place an order',
    tags,
    headers: PlaceHeaders,
    body: PlaceOrderBody,
    response: { 200: OrderView, 201: OrderView, 202: OrderView },
  }
  app.post('/orders', { schema: post, config: { scope: 'orders:write', problems: PLACE_PROBLEMS } }, async (request, reply) => {
    const { id: requestId, caller, headers } = request
    const command = placeCommand(request.body, {
      requestId,
      caller,
      traceparent: request.traceparent,
      key: idempotencyKey(headers['idempotency-key']),
    })
    const { status, order } = await place(command, waitFrom(request.headers.prefer, waitMs))
    reply.header('location', `/orders/${order.id}`)
    if (status === 202) reply.header('retry-after', 1)
    return reply.code(status).send(orderView(order))
  })

  const get = { summary: 'Get an order', tags, params: OrderId, response: { 200: OrderView } }
  app.get('/orders/:id', { schema: get, config }, async (request) => orderView(await known(request)))

  const list = { summary: 'List orders, newest first', tags, querystring: OrdersQuery, response: { 200: OrdersView } }
  app.get('/orders', { schema: list, config: { scope: 'orders:read' } }, async (request) => {
    const { caller } = request
    const { user_id: userId = caller?.userId ?? '', status = '', before = '', limit, from, to } = request.query
    if (!sees(caller, userId)) return { orders: [], next: null }
    const page = await clients.listOrders({
      userId,
      status,
      before,
      from: timeOf('query from', from),
      to: timeOf('query to', to),
      limit: Number(limit ?? PAGE),
    })
    return { orders: page.orders.map(orderView), next: page.next || null }
  })

  const events = { summary: 'The history of an order', tags, params: OrderId, response: { 200: EventsView } }
  app.get('/orders/:id/events', { schema: events, config }, async (request) => {
    // Not at once: what is no order's id must not reach a batch of others.
    const { id } = await known(request)
    const history = await clients.listOrderEvents(id)
    return { events: (history?.events ?? []).map(eventView) }
  })

  const explained = {
    summary: 'An order in plain words: what happened, what it waits for, what comes next',
    tags,
    params: OrderId,
    response: { 200: ExplanationView },
  }
  app.get('/orders/:id/explain', { schema: explained, config }, async (request) => {
    const order = await known(request)
    const history = await clients.listOrderEvents(order.id)
    return explain(order, history?.events ?? [], new Date())
  })

  const cancel = {
    summary: 'Cancel an order, any time before dispatch',
    tags,
    params: OrderId,
    body: CancelBody,
    response: { 200: OrderView, 202: OrderView },
  }
  app.post(
    '/orders/:id/cancel',
    { schema: cancel, config: { scope: 'orders:write', problems: ['unknown_order', 'already_dispatched', 'order_ended'] } },
    async (request, reply) => {
      const orderId = request.params.id.toLowerCase()
      if (!isUuid(orderId) || !(await seesOrder(request.caller, { id: orderId, clients }))) throw unknownOrder()
      const order = doneOrThrow(
        await clients.cancelOrder({ orderId, requestId: request.id, traceparent: request.traceparent, reason: request.body?.reason ?? '' }),
      )
      const isUndone = order.status === 'cancelled' && !order.waiting
      if (!isUndone) reply.header('retry-after', 1)
      return reply.code(isUndone ? 200 : 202).send(orderView(order))
    },
  )

  async function known({ params, caller }: { params: { id: string }; caller: Caller | undefined }): Promise<Order> {
    const orderId = params.id.toLowerCase()
    const order = isUuid(orderId) ? await clients.getOrder(orderId) : undefined
    if (!order || !sees(caller, order.userId)) throw unknownOrder()
    return order
  }
}

export const PLACE_PROBLEMS = [
  ...([
    'unknown_product',
    'idempotency_key_reused',
    'payment_declined',
    'out_of_stock',
    'product_discontinued',
    'currency_mismatch',
  ] as const),
  ...(['total_mismatch', 'carrier_refused', 'payment_method_limit', 'payment_token_not_allowed', 'order_rejected', 'bound_key'] as const),
  'not_taking_orders' as const,
]
const unknownOrder = () => new Problem('unknown_order', 'there is no such order')
