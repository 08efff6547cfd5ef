import { type Change, notWaiting, type Order, type StepService } from './order.ts'

/** Rules of waiting, without I/O: when an order is tried again, when it is given up, and when it is laid on the dead-letter desk. */

/**
 * What keeps an order from going on. `unavailable`: the service is away, it will be back. `unknown`: it is there and can't say yet. `refused`: an undo or a
 * capture was refused, which is a broken promise and not an answer. `unforeseen`: our own work on it failed.
 */
export type Trouble = 'unavailable' | 'unknown' | 'refused' | 'unforeseen'
export type Waiting = { service: StepService | 'orders'; trouble: Trouble; reason: string }

export type Limits = {
  /** An order that is still not placed at this age is given up: cancelled, and what was done for it undone. Other work that waits so long is dead. */
  maxAgeMs: number
  /** So often refused or failed for a reason that nobody foresaw, work is dead. */
  maxAttempts: number
}
export const DEFAULT_LIMITS: Limits = { maxAgeMs: 24 * 3_600_000, maxAttempts: 10 }

export type DeadReason = 'too_old' | 'refused' | 'unforeseen_error'
/** The reason of a cancel that nobody asked for. */
export const GAVE_UP = 'gave_up'

/** The order waits for the service named, longer with each try; or it has waited long enough. */
export function park(order: Order, waiting: Waiting & { now: Date; random: number; limits?: Limits | undefined }): Change {
  const { now, limits = DEFAULT_LIMITS } = waiting
  const isFirst = order.waiting_service !== waiting.service
  const attempts = isFirst ? 1 : order.attempts + 1
  const since = (isFirst ? null : order.waiting_since) ?? now
  const parked: Order = {
    ...order,
    attempts,
    waiting_service: waiting.service,
    waiting_reason: waiting.reason,
    waiting_since: since,
  }
  if (order.work === 'place' && now.getTime() - new Date(order.created_at).getTime() > limits.maxAgeMs) return giveUp(order, waiting)
  const dead = whyDead(parked, { ...waiting, limits })
  if (dead) return layOnDesk(parked, dead, now)
  return {
    order: parked,
    dueInMs: retryDelayMs(attempts - 1, waiting.random),
    event: isFirst ? { type: 'order.parked', data: { work: order.work, waits_for: waiting.service, reason: waiting.reason } } : null,
    ...(waiting.trouble === 'unavailable' && waiting.service !== 'orders' && { parkedFor: waiting.service }),
  }
}

function whyDead(order: Order, { trouble, now, limits }: { trouble: Trouble; now: Date; limits: Limits }): DeadReason | undefined {
  if (trouble === 'refused' && order.attempts >= limits.maxAttempts) return 'refused'
  if (trouble === 'unforeseen' && order.attempts >= limits.maxAttempts) return 'unforeseen_error'
  const waitedMs = now.getTime() - new Date(order.waiting_since ?? now).getTime()
  return order.work !== 'place' && waitedMs > limits.maxAgeMs ? 'too_old' : undefined
}

/** Nobody waits for such an old order any more. The decision is shipping's as with every cancel, and the undos come after it. */
function giveUp(order: Order, { service, reason }: Waiting): Change {
  return {
    order: { ...order, ...notWaiting, work: 'cancel', cancel_reason: GAVE_UP },
    dueInMs: 0,
    event: { type: 'order.given_up', data: { waited_for: service, reason } },
  }
}

function layOnDesk(order: Order, reason: DeadReason, now: Date): Change {
  return {
    order: { ...order, dead_at: now, dead_reason: reason },
    dueInMs: Number.POSITIVE_INFINITY,
    event: {
      type: 'order.dead',
      data: { work: order.work, why: reason, attempts: order.attempts, waits_for: order.waiting_service, reason: order.waiting_reason },
    },
  }
}

/** Who moved an order from the desk, and why. */
export type Hand = { actor: string; reason: string }

/** From the desk, as if it had never waited. Taken up by whoever is free, so that many retried at once are no herd. */
export function retryDead(order: Order, hand: Hand): Change {
  return { order: { ...order, ...notWaiting }, dueInMs: SOON_MS, event: { type: 'order.retried', data: { work: order.work, ...hand } } }
}

/** An order on the desk that is not decided yet is called off. */
export function cancelDead(order: Order, hand: Hand): Change {
  return {
    order: { ...order, ...notWaiting, work: 'cancel', cancel_reason: hand.reason },
    dueInMs: SOON_MS,
    event: { type: 'order.cancel_requested', data: hand },
  }
}

const SOON_MS = 1

/** Delay before try number `attempts + 1`, in ms: exponential from half a second to 15 s, full jitter (AWS Architecture Blog, 2015). */
export function retryDelayMs(attempts: number, random: number): number {
  return 200 + Math.floor(random * Math.min(15_000, 500 * 2 ** attempts))
}

/**
 * When a parked order is taken up though no message came for it, in ms: late enough that the broker, which hands it out the moment that its service is
 * back, is normally first; soon enough that a broker that lost everything costs seconds.
 */
export function netDelayMs(random: number): number {
  return 10_000 + Math.floor(random * 10_000)
}
