import type { Order, PlaceOrderCommand } from '../gen/comanda/v1/orders.ts'
import { meter } from '../platform/metrics.ts'
import { inTrace } from '../platform/tracing.ts'
import type { GatewayDependencies } from './dependencies.ts'
import { asProblem, doneOrThrow, refusal } from './errors.ts'
import type { WaitingRoom } from './wait.ts'

/** 201 confirmed, 202 not final yet, 200 cancelled (a repeat of a key). */
export type Placed = { status: 200 | 201 | 202; order: Order }

/**
 * Places an order and waits up to `ms` for its end.
 * @throws a Problem for what was refused or rejected.
 */
export function placing({ clients, log, room }: GatewayDependencies & { room: WaitingRoom }) {
  const to = meter()
  const place = async (command: PlaceOrderCommand, ms: number): Promise<Placed> => {
    const { requestId: request_id, traceparent } = command
    const { accepted, ended } = await clients.placeOrder(command)
    if (accepted.kind === 'refused') log.info({ request_id, ...inTrace(traceparent), code: accepted.code }, 'POST /orders')
    const order = await asFarAsItComes(doneOrThrow(accepted), ended, ms)
    log.info(
      {
        order_id: order.id,
        request_id,
        ...inTrace(traceparent),
        status: order.status,
        code: order.rejection?.code,
        waits_for: order.waiting?.service,
      },
      'POST /orders',
    )
    return { status: statusOf(order), order }
  }
  if (!to) return place
  const counted = (outcome: string) => to.count('comanda_placements_total', { outcome })
  return async (command: PlaceOrderCommand, ms: number): Promise<Placed> => {
    try {
      const placed = await place(command, ms)
      counted(OUTCOMES[placed.status])
      return placed
    } catch (error) {
      counted(asProblem(error).code)
      throw error
    }
  }

  /** The order's end, or how it stands when the time is up or the connection to orders broke. */
  async function asFarAsItComes(accepted: Order, ended: Promise<Order | undefined>, ms: number): Promise<Order> {
    if (accepted.status !== 'pending' || ms === 0) return accepted
    const end = await room.wait(ended, ms)
    return end ?? (await clients.getOrder(accepted.id).catch(() => undefined)) ?? accepted
  }
}

const OUTCOMES = { 200: 'cancelled', 201: 'confirmed', 202: 'waiting' } as const

function statusOf(order: Order): Placed['status'] {
  switch (order.status) {
    case 'rejected':
      throw refusal(order.rejection ?? { code: 'order_rejected', message: 'the order was rejected' }, { order_id: order.id })
    case 'cancelled':
      return 200
    case 'pending':
      return 202
    default:
      return 201
  }
}
