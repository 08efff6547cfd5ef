import { Type } from 'typebox'
import type { Order } from '../../gen/comanda/v1/orders.ts'
import { isUuid } from '../../platform/ids.ts'
import { fromWire } from '../../platform/outcome.ts'
import type { App, GatewayDependencies } from '../dependencies.ts'
import { doneOrThrow, Problem } from '../errors.ts'
import { BulkDeskBody, DeadLettersQuery, DeadMessagesBody, DeadMessagesQuery, DeskBody, OrderId } from '../schemas.ts'
import { DeadLettersView, DeadMessagesView, OrderView, QueueView, ResolvedView } from '../view-schemas.ts'
import { iso, isoOrNull, orderView } from '../views.ts'

const tags = ['queue']
const PAGE = 50
const config = { scope: 'ops' } as const

/** What waits, and the dead-letter desk. */
export function queueRoutes(app: App, { clients }: GatewayDependencies): void {
  const queue = { summary: 'Orders that wait, by whom they wait for; and the broker', tags, response: { 200: QueueView } }
  app.get('/queue', { schema: queue, config }, async () => {
    const { parked, deadLetters, brokerIsUp, brokerQueues } = await clients.getQueue()
    return {
      parked: parked.map(({ service, work, count, oldestSince, nextTryAt, isDown }) => ({
        ...{ service, work, count, oldest_since: isoOrNull(oldestSince), next_try_at: isoOrNull(nextTryAt), service_is_down: isDown },
      })),
      dead_letters: deadLetters,
      broker: {
        is_up: brokerIsUp,
        queues: brokerQueues.map(({ inFlight, ...numbers }) => ({ ...numbers, in_flight: inFlight })),
      },
    }
  })

  const list = {
    summary: 'Orders that will not end by themselves, with the reason; the oldest first',
    tags,
    querystring: DeadLettersQuery,
    response: { 200: DeadLettersView },
  }
  app.get('/dead-letters', { schema: list, config }, async (request) => {
    const { service = '', work = '', dead_reason: deadReason = '', after = '', limit } = request.query
    const page = await clients.listDeadLetters({ filter: { service, work, deadReason }, after, limit: Number(limit ?? PAGE) })
    return { dead_letters: page.orders.map(deadLetterView), next: page.next || null }
  })

  for (const action of ['retry', 'cancel'] as const) {
    const one = { summary: SUMMARIES[action], tags, params: OrderId, body: DeskBody, response: { 202: OrderView } }
    app.post(`/dead-letters/:id/${action}`, { schema: one, config: { ...config, problems: PROBLEMS[action] } }, async (request, reply) => {
      const orderId = request.params.id.toLowerCase()
      if (!isUuid(orderId)) throw new Problem('unknown_order', 'there is no such order')
      const { actor, reason } = request.body
      const { letters } = await clients.resolveDeadLetters({ action, orderIds: [orderId], actor, reason, requestId: request.id })
      return reply.code(202).send(orderView(doneOrThrow(fromWire<Order>(letters[0]))))
    })

    const many = {
      summary: `${SUMMARIES[action]}: all that the filter matches, 1,000 at a time`,
      tags,
      body: BulkDeskBody,
      response: { 200: ResolvedView },
    }
    app.post(`/dead-letters/${action}`, { schema: many, config }, async (request) => {
      const { actor, reason, filter = {}, dry_run: dryRun = false } = request.body
      const { service = '', work = '', dead_reason: deadReason = '' } = filter
      const { letters, more } = await clients.resolveDeadLetters({
        ...{ action, filter: { service, work, deadReason }, dryRun, actor, reason, requestId: request.id },
      })
      return { dry_run: dryRun, more, ...tally(letters) }
    })
  }

  const messages = {
    summary: 'Messages that the broker could not bring to anybody',
    tags,
    querystring: DeadMessagesQuery,
    response: { 200: DeadMessagesView },
  }
  app.get('/dead-letters/messages', { schema: messages, config }, async (request) => {
    const { after = '', limit } = request.query
    const page = await clients.listDeadMessages({ after, limit: Number(limit ?? PAGE) })
    const views = page.messages.map(({ diedAt, body, ...message }) => ({
      ...message,
      body: JSON.parse(body) as unknown,
      died_at: iso(diedAt),
    }))
    return { messages: views, next: page.next || null }
  })
  for (const action of ['retry', 'discard'] as const) {
    const summary = action === 'retry' ? 'Puts dead messages back to their queues' : 'Throws dead messages away'
    const schema = { summary, tags, body: DeadMessagesBody, response: { 200: Type.Object({ count: Type.Integer() }) } }
    app.post(`/dead-letters/messages/${action}`, { schema, config }, async (request) => {
      const { count } = await clients.resolveDeadMessages({ ...request.body, action, requestId: request.id })
      return { count }
    })
  }
}

const SUMMARIES = {
  retry: 'Takes an order from the desk and tries its work again',
  cancel: 'Takes an order from the desk and cancels it; what was done for it is undone',
} as const
const PROBLEMS = {
  retry: ['unknown_order', 'not_dead'],
  cancel: ['unknown_order', 'not_dead', 'order_ended', 'already_dispatched'],
} as const

function deadLetterView(order: Order) {
  const { waiting } = order
  return {
    ...{ order_id: order.id, user_id: order.userId, status: order.status, work: waiting?.work ?? '', service: waiting?.service ?? '' },
    ...{ dead_since: iso(waiting?.deadSince), dead_reason: waiting?.deadReason ?? '', last_error: waiting?.reason ?? '' },
    ...{ attempts: waiting?.attempts ?? 0, waiting_since: isoOrNull(waiting?.since) },
    ...{ total_minor: order.totalMinor, currency: order.currency, created_at: iso(order.createdAt) },
  }
}

function tally(letters: Awaited<ReturnType<GatewayDependencies['clients']['resolveDeadLetters']>>['letters']) {
  const answers = letters.map((letter) => ({ order_id: letter.orderId, answer: fromWire<Order>(letter) }))
  const orders = answers.filter(({ answer }) => answer.kind === 'done').map(({ order_id }) => order_id)
  const refused = answers.flatMap(({ order_id, answer }) =>
    answer.kind === 'done' ? [] : [{ order_id, code: answer.kind === 'refused' ? answer.code : 'unavailable', detail: answer.message }],
  )
  return { count: orders.length, orders, refused }
}
