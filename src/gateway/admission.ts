import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { FastifyRequest } from 'fastify'
import type { App } from './dependencies.ts'
import { Problem } from './errors.ts'

/**
 * What a gateway with too much to do refuses: lists first, then new orders and reads of one; never health, cancels and other changes to what was taken.
 * Refused before the body is read, so that a refusal costs little, and only so many orders are let in that they are answered in about a second. Lines in
 * bulk are not refused: they wait in the client's socket.
 */
export type AdmissionOptions = {
  /** POST /orders under way at once. */
  orders: number
  /** How late the event loop is, in ms. Default: measured. */
  lagMs?: (() => number) | undefined
}

type Kind = 'order' | 'read' | 'list'
type Limit = { atOnce: number; lagMs: number }

/** A process this late answers nobody in time: lists are given up long before orders. */
const ORDER_LAG_MS = 1_000
const LIST_LAG_MS = 250
const READS = 2_000
const LISTS = 64
/** After an order was refused, lists are for so long. */
const PRESSED_MS = 1_000

const LISTS_OF = new Set(['/orders', '/products', '/discrepancies', '/dead-letters', '/dead-letters/messages', '/orders/:id/events'])
const READS_OF = new Set(['/orders/:id', '/products/:id', '/payments/:id', '/shipments/:id', '/orders/:id/explain'])

/** Hangs the hook that refuses into the app. */
export function admission(app: App, { orders, lagMs = eventLoopLag(app) }: AdmissionOptions): void {
  const limits: Record<Kind, Limit> = {
    order: { atOnce: orders, lagMs: ORDER_LAG_MS },
    read: { atOnce: READS, lagMs: ORDER_LAG_MS },
    list: { atOnce: LISTS, lagMs: LIST_LAG_MS },
  }
  const under: Record<Kind, number> = { order: 0, read: 0, list: 0 }
  let pressedUntil = 0

  const isFull = (kind: Kind): boolean => {
    const { atOnce, lagMs: most } = limits[kind]
    return under[kind] >= atOnce || lagMs() > most || (kind === 'list' && performance.now() < pressedUntil)
  }

  app.addHook('onRequest', (request, reply, next) => {
    const kind = kindOf(request)
    if (!kind) return next()
    if (isFull(kind)) {
      if (kind === 'order') pressedUntil = performance.now() + PRESSED_MS
      return next(TOO_MANY)
    }
    under[kind]++
    // Also when the client has gone in the middle.
    reply.raw.once('close', () => {
      under[kind]--
    })
    next()
  })
}

/** One for all: an error of its own for each would cost more than the refusal. */
const TOO_MANY = new Problem('overloaded', 'too many requests are under way; nothing was stored', { retryAfter: 1 })

function kindOf({ method, routeOptions: { url = '' } }: FastifyRequest): Kind | undefined {
  if (method === 'POST') return url === '/orders' ? 'order' : undefined
  if (method !== 'GET') return undefined
  if (READS_OF.has(url)) return 'read'
  return LISTS_OF.has(url) ? 'list' : undefined
}

const RESOLUTION_MS = 20
const LOOK_MS = 500

/** The lesser of the mean latenesses of the last two half seconds, in ms: one long step (a start, a large collection of garbage) is no overload. */
function eventLoopLag(app: App): () => number {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  let [before, last] = [0, 0]
  const timer = setInterval(() => {
    // Empty when the loop was held all the time.
    before = last
    last = histogram.count > 0 ? histogram.mean / 1e6 - RESOLUTION_MS : LOOK_MS
    histogram.reset()
  }, LOOK_MS).unref()
  app.addHook('onClose', async () => {
    clearInterval(timer)
    histogram.disable()
  })
  return () => Math.min(before, last)
}
