import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { embeddedUrls } from '../../src/platform/embedded-postgres.ts'
import { hasRabbitmq, startRabbitmq } from '../support/rabbitmq.ts'
import { type System, startSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { comanda, shop } from './shop.ts'

/** Payment is away, over real processes: orders are taken all the same, wait in the fallback queue, and end by themselves. */

const ORDERS = 400
const AT_ONCE = 16
let system: System
let client: ReturnType<typeof shop>

/** The broker of a run: how services find it, and how it loses everything. */
type BrokerOfRun = { settings: NodeJS.ProcessEnv; loseEverything(): Promise<void>; close(): Promise<void> }

const inPostgres = async (): Promise<BrokerOfRun> => ({
  settings: {},
  loseEverything: async () => dropEverything((await embeddedUrls(system.env.DATA_DIR ?? ''))?.broker ?? ''),
  close: async () => {},
})
const inRabbitmq = async (): Promise<BrokerOfRun> => {
  const node = await startRabbitmq()
  return {
    settings: { BROKER_URL: node.url },
    async loseEverything() {
      await node.kill()
      node.wipe()
      await node.start()
    },
    close: node.close,
  }
}

/** Orders one after the other from many hands. @returns the ids, and how long each answer took in ms. */
async function placeMany(count: number, product: string): Promise<{ ids: string[]; statuses: number[]; tookMs: number[] }> {
  const placed: { ids: string[]; statuses: number[]; tookMs: number[] } = { ids: [], statuses: [], tookMs: [] }
  const hand = async (share: number) => {
    for (let i = 0; i < share; i++) {
      const began = performance.now()
      const { status, body } = await client.place({ [product]: 1 })
      placed.tookMs.push(performance.now() - began)
      placed.ids.push(body.id)
      placed.statuses.push(status)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, () => hand(count / AT_ONCE)))
  return placed
}

type Queue = {
  parked: { service: string; count: number; service_is_down: boolean }[]
  broker: { is_up: boolean; queues: { name: string; ready: number }[] }
}
/** Empty where it can't be told now. */
const queue = async () => (await client.call('GET', '/queue')).body as unknown as Partial<Queue>
const knownDown = () => until('payment to be known down', async () => (await queue()).parked?.some((one) => one.service_is_down))
const inWords = (ms: number[]) => {
  const sorted = ms.toSorted((a, b) => a - b)
  return `p50 ${Math.round(sorted[sorted.length >> 1] ?? 0)} ms, p99 ${Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0)} ms`
}

async function allConfirmed(ids: readonly string[]): Promise<void> {
  for (const id of ids) expect((await client.final(id, 90)).status).toBe('confirmed')
  const audit = await comanda(system, 'audit')
  expect(audit.code, audit.out).toBe(0)
}

function outages(start: () => Promise<BrokerOfRun>): void {
  let broker: BrokerOfRun
  beforeAll(async () => {
    broker = await start()
    system = await startSystem({ LEASE_MS: '3000', ...broker.settings })
    client = shop(system)
  }, 300_000)
  afterAll(async () => {
    await system.stop()
    await broker.close()
  }, 90_000)

  it('while payment is paused orders are answered 202, wait in the queue, and all end when it goes on', { timeout: 400_000 }, async () => {
    await client.product('outage', { madrid: 10_000 })
    const { payment = 0 } = system.pids()
    process.kill(payment, 'SIGSTOP')
    const first = await client.place({ outage: 1 })
    expect([first.status, (first.body.waiting as { service: string }).service]).toEqual([202, 'payment'])
    await knownDown()
    const placed = await placeMany(ORDERS, 'outage')
    console.log(`${ORDERS} orders with payment paused: ${inWords(placed.tookMs)}`)
    expect(new Set(placed.statuses)).toEqual(new Set([202]))
    expect((await queue()).parked).toMatchObject([{ service: 'payment', work: 'place', count: ORDERS + 1 }])
    process.kill(payment, 'SIGCONT')
    const began = performance.now()
    await until('the queue to be empty', async () => (await queue()).parked?.length === 0, 90)
    console.log(`drained in ${((performance.now() - began) / 1000).toFixed(1)} s`)
    await allConfirmed([first.body.id, ...placed.ids])
  })

  it('while payment is paused and the broker loses everything, all end just the same', { timeout: 400_000 }, async () => {
    await client.product('amnesia', { madrid: 10_000 })
    const { payment = 0 } = system.pids()
    process.kill(payment, 'SIGSTOP')
    await client.place({ amnesia: 1 })
    await knownDown()
    const placed = await placeMany(ORDERS / 2, 'amnesia')
    await until('the broker to hold messages', async () => (await queue()).broker?.queues.some(({ ready }) => ready > 0))
    await broker.loseEverything()
    process.kill(payment, 'SIGCONT')
    await allConfirmed(placed.ids)
  })

  it('when everything is killed at once, PostgreSQL too, no order that was answered is lost, and all end after the next start', {
    timeout: 400_000,
  }, async () => {
    await client.product('killed', { madrid: 10_000 })
    const answered: string[] = []
    const waiting = new Set<string>()
    let isOver = false
    const hand = async () => {
      while (!isOver) {
        // Some answered when they are confirmed, some only taken: both are promises.
        const prefer = answered.length % 2 ? { prefer: 'respond-async' } : {}
        const answer = await client.place({ killed: 1 }, {}, prefer).catch(() => undefined)
        if (answer?.status === 201 || answer?.status === 202) answered.push(answer.body.id)
        if (answer?.status === 202) waiting.add(answer.body.id)
      }
    }
    const hands = Array.from({ length: AT_ONCE }, hand)
    await until('enough orders to be answered', () => answered.length >= ORDERS && waiting.size > 0, 90)
    await system.killEverything()
    isOver = true
    await Promise.all(hands)
    await system.startAgain()
    console.log(`killed everything after ${answered.length} answered orders, ${waiting.size} of them only taken`)
    await allConfirmed(answered)
  })
}

describe('with the broker in PostgreSQL,', () => outages(inPostgres))
describe.skipIf(!hasRabbitmq())('with the broker in RabbitMQ,', () => outages(inRabbitmq))

/** All tables of a database, as a disk that came back empty. */
async function dropEverything(url: string): Promise<void> {
  const db = new pg.Client({ connectionString: url })
  await db.connect()
  try {
    await db.query('drop schema public cascade; create schema public')
  } finally {
    await db.end()
  }
}
