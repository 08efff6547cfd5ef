import { type ChannelModel, connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Broker, type Delivery, QUEUES } from '../../src/broker/broker.ts'
import { openRabbitmqBroker } from '../../src/broker/rabbitmq.ts'
import { openPublisher } from '../../src/broker/rabbitmq-publisher.ts'
import { DELAYS_MS, deadQueue, delayQueue, mainQueue, placeFor } from '../../src/broker/rabbitmq-topology.ts'
import { silentLog } from '../../src/platform/log.ts'
import { hasRabbitmq, type RabbitmqNode, startRabbitmq } from '../support/rabbitmq.ts'
import { until } from '../support/until.ts'
import type { BrokerServer } from './contract/bench.ts'
import { brokerContract } from './contract.ts'

const ALL_QUEUES = QUEUES.flatMap((queue) => [mainQueue(queue), deadQueue(queue), ...DELAYS_MS.map((ms) => delayQueue(queue, ms))])
const QUEUE = 'orders.facts'
const START_MS = 200_000

const open = (url: string) => openRabbitmqBroker({ url, log: silentLog() })

describe('delays in RabbitMQ', () => {
  it('are rounded up to the next step, and longer ones go round', () => {
    expect(placeFor(QUEUE, 0)).toEqual({ target: mainQueue(QUEUE), restMs: 0 })
    for (const ms of [1, 999, 1_000]) expect(placeFor(QUEUE, ms)).toEqual({ target: delayQueue(QUEUE, 1_000), restMs: 0 })
    expect(placeFor(QUEUE, 1_001)).toEqual({ target: delayQueue(QUEUE, 5_000), restMs: 0 })
    expect(placeFor(QUEUE, 1_800_000)).toEqual({ target: delayQueue(QUEUE, 1_800_000), restMs: 0 })
    expect(placeFor(QUEUE, 7_200_000)).toEqual({ target: delayQueue(QUEUE, 1_800_000), restMs: 5_400_000 })
  })
})

describe.skipIf(!hasRabbitmq())('with RabbitMQ', () => {
  brokerContract('RabbitMQ', async (): Promise<BrokerServer> => {
    const node = await startRabbitmq()
    return {
      open: () => open(node.url),
      settings: () => ({ BROKER_URL: node.url }),
      async empty() {
        const connection = await connect(node.url)
        const channel = await connection.createChannel()
        for (const queue of ALL_QUEUES) await channel.purgeQueue(queue)
        await connection.close()
      },
      stop: node.stop,
      kill: node.kill,
      start: node.start,
      async loseEverything() {
        await node.kill()
        node.wipe()
        await node.start()
      },
      close: node.close,
    }
  })

  describe('the broker in RabbitMQ', () => {
    let node: RabbitmqNode
    let broker: Broker
    let admin: ChannelModel
    beforeAll(async () => {
      node = await startRabbitmq()
      admin = await connect(node.url)
      broker = open(node.url)
      await until('the broker to be up', () => broker.isUp(), 60)
    }, START_MS)
    afterAll(async () => {
      await broker.close(500)
      await admin.close()
      await node.close()
    }, START_MS)

    const gather = async (by = broker) => {
      const got: Delivery[] = []
      const consumer = await by.consume(
        QUEUE,
        async (deliveries) => {
          got.push(...deliveries)
          return deliveries.map(() => ({ do: 'ack' }))
        },
        { maxInFlight: 10, maxAttempts: 3 },
      )
      return { got, consumer }
    }

    it('makes a queue again that was deleted under it, and publishers and consumers go on', async () => {
      const { got, consumer } = await gather()
      const channel = await admin.createChannel()
      await channel.deleteQueue(mainQueue(QUEUE))
      await until('a publish to be taken', () =>
        broker.publish(QUEUE, [{ id: 'again', body: 1 }]).then(
          () => true,
          () => false,
        ),
      )
      await until('its delivery', () => got.some(({ id }) => id === 'again'))
      await consumer.stop(1_000)
    })

    it('lays with the dead what strangers sent: no JSON, or no id', async () => {
      const channel = await admin.createConfirmChannel()
      channel.sendToQueue(mainQueue(QUEUE), Buffer.from('{"half'), { persistent: true, messageId: 'half' })
      channel.sendToQueue(mainQueue(QUEUE), Buffer.from('\xff\x00', 'latin1'))
      await channel.waitForConfirms()
      const { got, consumer } = await gather()
      const letters = await until('both to be dead', async () => {
        const found = await broker.dead.list({ limit: 10 })
        return found.length === 2 && found
      })
      expect(letters.map(({ error }) => error)).toEqual(['its body is no JSON', 'its body is no JSON'])
      expect(letters.find(({ id }) => id === 'half')).toMatchObject({ body: '{"half', attempts: 1 })
      expect(got).toEqual([])
      expect(await broker.dead.discard(letters.map(({ key }) => key))).toBe(2)
      await consumer.stop(1_000)
    })

    it('puts off once more what came with some of its delay still to come, and counts no attempt', async () => {
      const start = performance.now()
      const channel = await admin.createConfirmChannel()
      const headers = { 'comanda-rest-ms': 900 }
      channel.sendToQueue(mainQueue(QUEUE), Buffer.from('1'), { persistent: true, messageId: 'long', headers })
      await channel.waitForConfirms()
      const { got, consumer } = await gather()
      await until('its delivery', () => got.length === 1)
      expect(performance.now() - start).toBeGreaterThanOrEqual(900)
      expect(got[0]).toMatchObject({ id: 'long', attempt: 1 })
      await consumer.stop(1_000)
    })

    it('tells who publishes when a message is refused, or has no queue to go to', async () => {
      const publisher = await openPublisher(admin, () => {})
      const channel = await admin.createChannel()
      const full = { 'x-queue-type': 'quorum', 'x-overflow': 'reject-publish', 'x-max-length': 1 }
      await channel.assertQueue('full', { arguments: full })
      const message = { target: 'full', content: Buffer.from('1'), options: { persistent: true } }
      await expect(until('it to be full', () => publisher.send([message]).then(() => false))).rejects.toThrow(
        /did not take a message for full/,
      )
      await expect(publisher.send([{ ...message, target: 'nowhere' }])).rejects.toThrow(/no queue nowhere/)
    })

    it('says which queue has other arguments than ours, and takes nothing until that is mended', async () => {
      const channel = await admin.createChannel()
      const name = deadQueue('orders.parked.shipping')
      await channel.deleteQueue(name)
      await channel.assertQueue(name, { durable: true })
      const second = open(node.url)
      await expect(
        until('the reason', () => second.publish(QUEUE, [{ id: 'x', body: 1 }]).catch((error: Error) => {
          if (/not connected yet/.test(error.message)) return false
          throw error
        })), // biome-ignore format: one look
      ).rejects.toThrow(new RegExp(`${name} exists with other arguments.*virtual host`))
      await channel.deleteQueue(name)
      await until('it to be up', () => second.isUp(), 60)
      await second.close(500)
    })

    it('never shows its password', async () => {
      const url = new URL(node.url)
      url.password = 'open-sesame'
      const stranger = open(url.toString())
      const reason = await until('the reason', () =>
        stranger.publish(QUEUE, [{ id: 'x', body: 1 }]).catch((error: Error) => !/not connected yet/.test(error.message) && error.message),
      )
      expect(reason).toMatch(/is away: .*(refused|403)/i)
      expect(reason).not.toContain('open-sesame')
      await stranger.close(500)
    })
  })
})
