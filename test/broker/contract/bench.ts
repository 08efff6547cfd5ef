import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import type { Broker, ConsumeOptions, Consumer, Delivery, Message, QueueDepth, QueueName, Verdict } from '../../../src/broker/broker.ts'
import { newId } from '../../../src/platform/ids.ts'
import { until } from '../../support/until.ts'

/** What a contract test needs of a broker's server. */
export type BrokerServer = {
  /** As a process of ours would open it. */
  open(): Broker
  /** The settings with which another process reaches it. */
  settings(): NodeJS.ProcessEnv
  /** Empties all queues. */
  empty(): Promise<void>
  /** In order, and in disorder: kill -9. */
  stop(): Promise<void>
  kill(): Promise<void>
  start(): Promise<void>
  /** All its data is lost; it runs afterwards. */
  loseEverything(): Promise<void>
  close(): Promise<void>
}

export const QUEUE = 'orders.parked.payment'
export const OPTIONS = { maxInFlight: 10, maxAttempts: 3 }
export const EMPTY = { ready: 0, delayed: 0, inFlight: 0, dead: 0 }
const SERVER_MS = 120_000

type Gathered = { got: Delivery[]; ids(): Set<string>; consumer: Consumer }

/** A broker that is up and empty for each test, and what the tests do with it. */
export type Bench = {
  readonly server: BrokerServer
  readonly broker: Broker
  /** Another one, as another process would have. */
  open(): Broker
  depthOf(queue?: QueueName): Promise<Omit<QueueDepth, 'queue'>>
  /** Consumes QUEUE with these verdicts; what was delivered is gathered. */
  gather(
    answer?: (delivery: Delivery) => Verdict | Promise<Verdict>,
    options?: { options?: ConsumeOptions; by?: Broker },
  ): Promise<Gathered>
  /** Publishes so many new messages to QUEUE. @returns their ids. */
  published(count: number): Promise<string[]>
}

export const messages = (count: number): Message[] => Array.from({ length: count }, (_, n) => ({ id: newId(), body: { n } }))
export const ack = (): Verdict => ({ do: 'ack' })

export function bench(startServer: () => Promise<BrokerServer>): Bench {
  let server: BrokerServer
  let broker: Broker
  const opened: Broker[] = []
  const open = () => {
    const one = server.open()
    opened.push(one)
    return one
  }
  beforeAll(async () => {
    server = await startServer()
  }, SERVER_MS)
  afterAll(() => server.close(), SERVER_MS)
  beforeEach(async () => {
    broker = open()
    await until('the broker to be up', () => broker.isUp(), 60)
    await server.empty()
  }, SERVER_MS)
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close(500)))
  })
  return {
    get server() {
      return server
    },
    get broker() {
      return broker
    },
    open,
    async depthOf(queue = QUEUE) {
      const found = (await broker.depth()).find((one) => one.queue === queue)
      if (!found) throw new Error(`no depth of ${queue}`)
      const { queue: _, ...depth } = found
      return depth
    },
    async gather(answer = ack, { options = OPTIONS, by = broker } = {}) {
      const got: Delivery[] = []
      const consumer = await by.consume(
        QUEUE,
        async (deliveries) => {
          got.push(...deliveries)
          return Promise.all(deliveries.map(answer))
        },
        options,
      )
      return { got, consumer, ids: () => new Set(got.map(({ id }) => id)) }
    },
    async published(count) {
      const list = messages(count)
      await broker.publish(QUEUE, list)
      return list.map(({ id }) => id)
    },
  }
}
