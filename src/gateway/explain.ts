import type { Order, OrderEvent } from '../gen/comanda/v1/orders.ts'

/** An order in plain words: what happened, what it waits for, what comes next. Pure; the words are for people and may change. */

export type Explanation = {
  order_id: string
  status: string
  /** The whole in a sentence or two. */
  summary: string
  happened: { at: string; text: string }[]
  /** What it waits for and since when; null: nothing. */
  waits_for: string | null
  /** What comes next, by itself or by whose hand. */
  next: string
  next_at: string | null
}

export function explain(order: Order, events: readonly OrderEvent[], now: Date): Explanation {
  const waitsFor = waitsForWhom(order, now)
  const next = whatNext(order)
  return {
    order_id: order.id,
    status: order.status,
    summary: [statusInWords(order), waitsFor].filter((part) => part !== null).join(' '),
    happened: events.map((event) => ({ at: event.at?.toISOString() ?? '', text: inWords(event.type, JSON.parse(event.data)) })),
    waits_for: waitsFor,
    next,
    next_at: order.waiting?.deadSince ? null : (order.waiting?.nextTryAt?.toISOString() ?? null),
  }
}

const WORK: Record<string, string> = {
  place: 'be placed',
  cancel: 'be called off',
  undo: 'have what was done for it undone',
  settle: 'have its stock taken off and its payment captured',
}
const workInWords = (work: unknown): string => WORK[String(work)] ?? String(work)
const SERVICES: Record<string, string> = { orders: 'a fault in Comanda itself' }
const whom = (service: unknown): string => SERVICES[String(service)] ?? String(service)

function statusInWords({ status, rejection, cancelReason, shipments }: Order): string {
  const left = shipments.filter((shipment) => shipment.status === 'dispatched' || shipment.status === 'delivered').length
  switch (status) {
    case 'pending':
      return 'The order is taken and can not be lost; it is not confirmed yet.'
    case 'confirmed':
      return 'The order is confirmed: its stock is reserved, its payment authorised, its shipments booked.'
    case 'dispatched':
      return `The order is on its way: ${left} of ${shipments.length} shipments ${left === 1 ? 'has' : 'have'} left.`
    case 'delivered':
      return 'The order has arrived.'
    case 'rejected':
      return `The order was rejected: ${rejection?.message || rejection?.code}.`
    case 'cancelled':
      return cancelReason === GAVE_UP
        ? 'The order was cancelled, because it could not be placed for too long.'
        : `The order was cancelled${cancelReason ? `: ${cancelReason}` : ''}.`
    default:
      return `The order is ${status}.`
  }
}

const GAVE_UP = 'gave_up'

function waitsForWhom({ waiting }: Order, now: Date): string | null {
  if (!waiting) return null
  const since = waiting.since ? ` for ${duration(now.getTime() - waiting.since.getTime())}` : ''
  const why = waiting.reason ? `: ${waiting.reason}` : ''
  if (waiting.deadSince)
    return `It lies on the dead-letter desk, waiting to ${workInWords(waiting.work)}, after ${tries(waiting.attempts)} (${whom(waiting.service)}${why}).`
  return `It waits${since} for ${whom(waiting.service)}, to ${workInWords(waiting.work)}${why}. Tried ${times(waiting.attempts)}.`
}

function whatNext({ status, waiting }: Order): string {
  if (waiting?.deadSince) return 'Nothing by itself: somebody must retry or cancel it from the dead-letter desk.'
  if (waiting) {
    const when = waiting.nextTryAt ? `, at the latest at ${waiting.nextTryAt.toISOString()} if ${waiting.service} is back by then` : ''
    return `It goes on by itself as soon as ${whom(waiting.service)} is ${waiting.service === 'orders' ? 'mended' : 'back'}${when}.`
  }
  switch (status) {
    case 'pending':
      return 'It is being placed right now.'
    case 'confirmed':
      return 'Its goods are to be dispatched.'
    case 'dispatched':
      return 'Its goods are to be delivered.'
    default:
      return 'Nothing: it has ended.'
  }
}

type Data = Record<string, unknown>

const EVENTS: Record<string, (data: Data) => string> = {
  'order.accepted': () => 'The order was taken and stored.',
  'order.confirmed': () => 'Stock was reserved, the payment authorised and the shipments booked: confirmed.',
  'order.rejected': ({ message, code }) => `Rejected: ${message || code}.`,
  'order.parked': ({ work, waits_for, reason }) => `It could not ${workInWords(work)} and began to wait for ${whom(waits_for)}: ${reason}.`,
  'order.given_up': ({ waited_for, reason }) => `It had waited too long for ${whom(waited_for)} and was given up: ${reason}.`,
  'order.dead': ({ work, attempts, reason }) =>
    `After ${tries(attempts)} to ${workInWords(work)} it was laid on the dead-letter desk: ${reason}.`,
  'order.retried': ({ actor, reason }) => `${actor} took it from the dead-letter desk to be tried again: ${reason}.`,
  'order.cancel_requested': ({ actor, reason }) => `${actor ?? 'The customer'} asked to cancel it${reason ? `: ${reason}` : ''}.`,
  'order.cancelled': () => 'Shipping called everything off: cancelled.',
  'order.cancel_refused': ({ message }) => `It could not be cancelled: ${message}.`,
  'order.undone': () => 'What had been done for it was undone: the payment is let go, the stock released.',
  'order.settled': () => 'The stock that left was taken off, and the payment brought up to date.',
  'shipment.dispatched': ({ shipment_id }) => `Shipment ${shipment_id} left.`,
  'shipment.delivered': ({ shipment_id }) => `Shipment ${shipment_id} arrived.`,
}
/** An event of a later version is shown by its name. */
const inWords = (type: string, data: Data): string => EVENTS[type]?.(data) ?? type

const tries = (attempts: unknown): string => (attempts === 1 ? 'one try' : `${attempts} tries`)
const times = (attempts: unknown): string => (attempts === 1 ? 'once' : `${attempts} times`)

function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}
