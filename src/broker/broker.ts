/**
 * The broker port (message-oriented middleware): the fallback queue and the messages between services. It is never the only copy of anything: what it
 * carries also stands in a database, and who sends finds and sends again what a broker has lost. Delivery is at least once and in no promised order,
 * so handlers are idempotent.
 */

/** Every queue there is. Declared when a service starts, never at first use. */
export const QUEUES = [
  /** Orders that wait for a service: the fallback queue. Consumed by orders. */
  'orders.parked.inventory',
  'orders.parked.payment',
  'orders.parked.shipping',
  /** What shipping and payment have to tell orders. Consumed by orders. */
  'orders.facts',
] as const
export type QueueName = (typeof QUEUES)[number]

export type Message = {
  /** The sender's own, at most 200 characters; the same in every repeat, another for what is another message. */
  id: string
  /** JSON, of at most 1 MiB. */
  body: unknown
  /** Not delivered before so many ms have passed (at least; may be later). */
  delayMs?: number
}

/** `attempt` counts deliveries from 1; a message requeued from the dead begins at 1 again. */
export type Delivery = { id: string; body: unknown; attempt: number; publishedAt: Date }

/** What becomes of a delivery: done with, delivered again after `afterMs`, or laid with the dead with the reason. */
export type Verdict = { do: 'ack' } | { do: 'retry'; afterMs: number; error: string } | { do: 'dead'; error: string }

export type ConsumeOptions = {
  /** Deliveries that may be unanswered at once; the handler gets at most so many together. */
  maxInFlight: number
  /** A message delivered so often without an `ack` is dead. */
  maxAttempts: number
}

export interface Consumer {
  /** No new deliveries until `resume`: for a downstream service that is known to be down. Those unanswered are finished. */
  pause(): void
  resume(): void
  /** Stops taking, waits up to `ms` for handlers that run, and leaves the rest in the queue. */
  stop(ms: number): Promise<void>
}

export type DeadLetter = {
  /** Names it in `list`, `requeue` and `discard`: `<queue>/<id>`, since an id is the sender's and may lie in several queues. */
  key: string
  id: string
  queue: QueueName
  body: unknown
  error: string
  attempts: number
  diedAt: Date
}

export type QueueDepth = { queue: QueueName; ready: number; delayed: number; inFlight: number; dead: number }

export interface Broker {
  /**
   * Resolves when every message is stored as safely as the broker can: each is then delivered at least once from now on, also when the same id is
   * just being handled. @throws when that is not known of all of them; then publish all again (the same ids: a consumer sees some twice).
   * At once when the broker can't be reached.
   */
  publish(queue: QueueName, messages: readonly Message[]): Promise<void>
  /**
   * Hands deliveries to `handle`, oldest first as far as retries allow; its verdicts in the same order as the deliveries. It may be called again
   * while it runs. When it throws, answers too few, does not answer within five minutes, or the process dies, all of them are delivered again, after a back-off.
   * Goes on by itself after the broker was away, and may be called while it is.
   */
  consume(
    queue: QueueName,
    handle: (deliveries: readonly Delivery[]) => Promise<readonly Verdict[]>,
    options: ConsumeOptions,
  ): Promise<Consumer>
  depth(): Promise<QueueDepth[]>
  dead: {
    /** By key; `after`: the last key of the page before. */
    list(options: { after?: string; limit: number }): Promise<DeadLetter[]>
    /** @returns how many were found and put back to their queues. */
    requeue(keys: readonly string[]): Promise<number>
    /** @returns how many were found and are gone. */
    discard(keys: readonly string[]): Promise<number>
  }
  /** Whether it can be reached now. */
  isUp(): Promise<boolean>
  /** Stops its consumers, waiting up to `ms` for handlers that run, and lets go. */
  close(ms: number): Promise<void>
}
