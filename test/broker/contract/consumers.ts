import { describe, expect, it } from 'vitest'
import type { Verdict } from '../../../src/broker/broker.ts'
import { until } from '../../support/until.ts'
import { type Bench, messages, QUEUE } from './bench.ts'

/** Consumers pause, stop, and outlive the broker being away. */
export function consumers(on: Bench): void {
  describe('consumers', () => {
    it('get nothing while paused, and go on when resumed', async () => {
      const { got, consumer } = await on.gather()
      const [first] = await on.published(1)
      await until('the first', () => got.length === 1)
      consumer.pause()
      const [second] = await on.published(1)
      const other = await on.gather()
      await until('the other consumer to get it', () => other.got.length === 1)
      await other.consumer.stop(1_000)
      expect(got.map(({ id }) => id)).toEqual([first])
      expect(other.got.map(({ id }) => id)).toEqual([second])
      const [third] = await on.published(1)
      await until('the third to wait', async () => (await on.depthOf()).ready === 1)
      expect(got.length).toBe(1)
      consumer.resume()
      await until('the third', () => got.length === 2)
      expect(got[1]).toMatchObject({ id: third, attempt: 1 })
    })

    it('that are stopped finish what they have in hand, and leave the rest', async () => {
      const gate = Promise.withResolvers<void>()
      const { got, consumer } = await on.gather(
        async () => {
          await gate.promise
          return { do: 'ack' }
        },
        { options: { maxInFlight: 2, maxAttempts: 3 } },
      )
      await on.published(5)
      await until('two in hand', () => got.length === 2)
      const stopped = consumer.stop(20_000)
      gate.resolve()
      await stopped
      expect(got.length).toBe(2)
      await until('three to be left', async () => (await on.depthOf()).ready === 3)
      const rest = await on.gather()
      await until('the rest', () => rest.got.length === 3)
      expect(new Set([...got, ...rest.got].map(({ id }) => id)).size).toBe(5)
      expect(rest.got.every(({ attempt }) => attempt === 1)).toBe(true)
    })

    it('that are stopped while a handler hangs leave its message to another', async () => {
      const never = new Promise<Verdict>(() => {})
      const { got, consumer } = await on.gather(() => never)
      const [id] = await on.published(1)
      await until('it to be in hand', () => got.length === 1)
      await consumer.stop(50)
      const other = await on.gather()
      await until('the other to have it', () => other.got.length === 1)
      expect(other.got[0]).toMatchObject({ id, attempt: 2 })
    })

    it('go on by themselves after the broker was away, and publishers are told at once meanwhile', async () => {
      const { ids } = await on.gather()
      const before = await on.published(1)
      await until('one from before', () => ids().size === 1)
      await on.server.stop()
      await expect(on.broker.publish(QUEUE, messages(1))).rejects.toThrow()
      expect(await on.broker.isUp()).toBe(false)
      await on.server.start()
      await until('the broker to be up', () => on.broker.isUp(), 60)
      const after = await on.published(1)
      await until('one from after', () => ids().size === 2)
      expect(ids()).toEqual(new Set([...before, ...after]))
    }, 180_000)

    it('may be opened while the broker is away, and start when it is there', async () => {
      await on.server.stop()
      const early = on.open()
      expect(await early.isUp()).toBe(false)
      await expect(early.publish(QUEUE, messages(1))).rejects.toThrow()
      const { ids } = await on.gather(undefined, { by: early })
      await on.server.start()
      await until('the broker to be up', () => on.broker.isUp(), 60)
      const sent = await on.published(1)
      await until('the message', () => ids().size === 1)
      expect(ids()).toEqual(new Set(sent))
    }, 180_000)
  })
}
