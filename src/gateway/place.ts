import { ClientError, Status } from 'nice-grpc'
import { type Order, OrdersServiceDefinition, type PlaceOrderCommand, type PlaceOrdersResponse } from '../gen/comanda/v1/orders.ts'
import { batched, type ItemResult } from '../platform/batched.ts'
import type { GrpcClient } from '../platform/grpc.ts'
import { type Answer, fromWire, unknown } from '../platform/outcome.ts'

/**
 * Placing orders: one stream per batch. Its first message says of every order whether it is accepted and durable; the ends come later, each
 * when it comes, so a slow order never holds up its neighbours.
 */
export type Placement = {
  /** The order as accepted (or as it stands, for a repeat); or why nothing was stored. */
  accepted: Answer<Order>
  /** The order when its placing has ended or was parked; undefined when the connection broke before. */
  ended: Promise<Order | undefined>
}

// Two groups of orders under way: each goes through the steps together, in few large calls. Measured at 64 connections: a tenth less CPU per order
// than with streams as they come. An order that is slow keeps the next group back only so long.
const BATCH = { name: 'place orders', max: 256, concurrency: 2, maxQueued: 5_000 }
const GROUP_AT_MOST_MS = 50
/** Longer than any client may wait (Prefer: wait=30). */
const STREAM_MS = 35_000
const TRIES = 4
const FIRST_PAUSE_MS = 100

/** @param firstMs how long the first message may take: until then nobody knows whether the orders are safe. */
export function placer(
  orders: Pick<GrpcClient<OrdersServiceDefinition>, 'placeOrders'>,
  firstMs: number,
): (command: PlaceOrderCommand) => Promise<Placement> {
  const placeMany = async (commands: PlaceOrderCommand[]): Promise<Placement[]> => {
    // The ids are ours, so the same call again makes no second order: a short restart of orders goes unnoticed.
    for (let tries = 1; ; tries++) {
      const giveUp = new AbortController()
      const timer = setTimeout(() => giveUp.abort(), firstMs)
      try {
        return await openStream(orders.placeOrders({ commands }, { deadline: STREAM_MS, signal: giveUp.signal } as never), commands.length)
      } catch (error) {
        if (tries >= TRIES || !isDown(error)) throw error
      } finally {
        clearTimeout(timer)
      }
      const pauseMs = Math.random() * FIRST_PAUSE_MS * 2 ** tries
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
  return batched(placeMany, { ...BATCH, keepSlot: groupEnds })
}

async function groupEnds(placements: readonly ItemResult<Placement>[]): Promise<void> {
  const ends = Promise.all(placements.map((placement) => (placement instanceof Error ? undefined : placement.ended)))
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, GROUP_AT_MOST_MS)
  })
  await Promise.race([ends, late])
  clearTimeout(timer)
}

/** Down, not slow: who was slow once is not asked again while the client waits. */
const isDown = (error: unknown) => error instanceof ClientError && error.code === Status.UNAVAILABLE

async function openStream(stream: AsyncIterable<PlaceOrdersResponse>, count: number): Promise<Placement[]> {
  const messages = stream[Symbol.asyncIterator]()
  const first = await messages.next()
  if (first.done) {
    throw new ClientError(OrdersServiceDefinition.fullName, Status.UNAVAILABLE, 'orders closed the stream without an answer')
  }
  const placements = Array.from({ length: count }, () => ({
    accepted: unknown('orders did not say') as Answer<Order>,
    end: Promise.withResolvers<Order | undefined>(),
  }))
  for (const outcome of first.value.outcomes) {
    const placement = placements[outcome.index]
    if (!placement) continue
    const answer = fromWire<Order>(outcome)
    placement.accepted = answer
    if (outcome.ended) placement.end.resolve(answer.kind === 'done' ? answer.value : undefined)
  }
  const ends = placements.map(({ end }) => end)
  void readEnds(messages, ends)
  return placements.map(({ accepted, end }) => ({ accepted, ended: end.promise }))
}

async function readEnds(messages: AsyncIterator<PlaceOrdersResponse>, ends: PromiseWithResolvers<Order | undefined>[]): Promise<void> {
  try {
    for (let next = await messages.next(); !next.done; next = await messages.next()) {
      for (const outcome of next.value.outcomes) {
        const answer = fromWire<Order>(outcome)
        ends[outcome.index]?.resolve(answer.kind === 'done' ? answer.value : undefined)
      }
    }
  } catch {
    // The orders are safe; whoever waits is told how they stand.
  } finally {
    for (const end of ends) end.resolve(undefined)
  }
}
