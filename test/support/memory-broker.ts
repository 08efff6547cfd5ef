import type { Broker, ConsumeOptions, Consumer, DeadLetter, Delivery, Message, QueueName, Verdict } from '../../src/broker/broker.ts'
import { QUEUES } from '../../src/broker/broker.ts'

/** A broker in memory that keeps the port's contract, and that a test can take down or empty. */

type Waiting = { id: string; body: unknown; attempt: number; publishedAt: Date; readyAt: number }
type Handle = (deliveries: readonly Delivery[]) => Promise<readonly Verdict[]>
type Queue = { waiting: Waiting[]; inFlight: number; dead: Map<string, DeadLetter>; feed: Set<() => void> }

export class MemoryBroker implements Broker {
  readonly published: { queue: QueueName; message: Message }[] = []
  #isUp = true
  readonly #queues = new Map<QueueName, Queue>(QUEUES.map((name) => [name, { waiting: [], inFlight: 0, dead: new Map(), feed: new Set() }]))

  takeDown(): void {
    this.#isUp = false
  }
  bringBack(): void {
    this.#isUp = true
    for (const { feed } of this.#queues.values()) for (const look of feed) look()
  }
  /** Everything in it is gone. */
  forget(): void {
    for (const queue of this.#queues.values()) {
      queue.waiting = []
      queue.dead.clear()
    }
  }

  async publish(name: QueueName, messages: readonly Message[]): Promise<void> {
    if (!this.#isUp) throw new Error('the broker is down')
    const queue = this.#queue(name)
    for (const message of messages) {
      this.published.push({ queue: name, message })
      const { id, body, delayMs = 0 } = structuredClone(message)
      queue.waiting.push({ id, body, attempt: 0, publishedAt: new Date(), readyAt: performance.now() + delayMs })
      if (delayMs > 0) setTimeout(() => this.#wake(queue), delayMs + 1).unref()
    }
    this.#wake(queue)
  }

  async consume(name: QueueName, handle: Handle, { maxInFlight, maxAttempts }: ConsumeOptions): Promise<Consumer> {
    const queue = this.#queue(name)
    const running = new Set<Promise<void>>()
    let inFlight = 0
    let paused = false
    const look = () => {
      if (paused || !this.#isUp) return
      const due = queue.waiting.filter((one) => one.readyAt <= performance.now()).slice(0, maxInFlight - inFlight)
      if (due.length === 0) return
      queue.waiting = queue.waiting.filter((one) => !due.includes(one))
      inFlight += due.length
      const work = this.#handOut({ name, due, handle, maxAttempts }).finally(() => {
        inFlight -= due.length
        running.delete(work)
        look()
      })
      running.add(work)
    }
    queue.feed.add(look)
    look()
    return {
      pause() {
        paused = true
      },
      resume() {
        paused = false
        look()
      },
      async stop() {
        paused = true
        queue.feed.delete(look)
        await Promise.all(running)
      },
    }
  }

  async depth() {
    const now = performance.now()
    return [...this.#queues].map(([queue, { waiting, inFlight, dead }]) => {
      const ready = waiting.filter((one) => one.readyAt <= now).length
      return { queue, ready, delayed: waiting.length - ready, inFlight, dead: dead.size }
    })
  }

  readonly dead = {
    list: async ({ after = '', limit }: { after?: string; limit: number }) =>
      [...this.#queues.values()]
        .flatMap(({ dead }) => [...dead.values()])
        .filter(({ key }) => key > after)
        .sort((a, b) => (a.key < b.key ? -1 : 1))
        .slice(0, limit),
    requeue: async (keys: readonly string[]) => {
      const letters = this.#take(keys)
      for (const { queue, id, body } of letters) await this.publish(queue, [{ id, body }])
      return letters.length
    },
    discard: async (keys: readonly string[]) => this.#take(keys).length,
  }

  isUp = async () => this.#isUp
  close = async () => {}

  async #handOut(work: { name: QueueName; due: Waiting[]; handle: Handle; maxAttempts: number }): Promise<void> {
    const { name, due, handle, maxAttempts } = work
    const queue = this.#queue(name)
    queue.inFlight += due.length
    for (const one of due) one.attempt++
    const verdicts = await handle(due).catch((error: Error) => due.map((): Verdict => ({ do: 'retry', afterMs: 20, error: error.message })))
    queue.inFlight -= due.length
    due.forEach((one, i) => {
      const verdict = verdicts[i] as Verdict
      if (verdict.do === 'ack') return
      if (verdict.do === 'retry' && one.attempt < maxAttempts) {
        queue.waiting.push({ ...one, readyAt: performance.now() + verdict.afterMs })
        setTimeout(() => this.#wake(queue), verdict.afterMs + 1).unref()
        return
      }
      const { id, body, attempt: attempts } = one
      queue.dead.set(id, { key: `${name}/${id}`, id, queue: name, body, error: verdict.error, attempts, diedAt: new Date() })
    })
  }

  #take(keys: readonly string[]): DeadLetter[] {
    return [...this.#queues.values()].flatMap(({ dead }) => {
      const found = [...dead.values()].filter(({ key }) => keys.includes(key))
      for (const { id } of found) dead.delete(id)
      return found
    })
  }

  #queue = (name: QueueName): Queue => this.#queues.get(name) as Queue
  #wake(queue: Queue): void {
    for (const look of queue.feed) look()
  }
}
