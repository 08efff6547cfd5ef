import { describe, expect, it } from 'vitest'
import { until } from '../../support/until.ts'
import { type Bench, messages, QUEUE } from './bench.ts'

const succeeds = (promise: Promise<unknown>): Promise<boolean> =>
  promise.then(
    () => true,
    () => false,
  )

/** All data lost, and kill -9 in the middle. */
export function disasters(on: Bench): void {
  describe('disasters', () => {
    it('that delete all its data are survived: it makes its queues again, and publishers and consumers go on', async () => {
      const { ids } = await on.gather()
      const before = await on.published(1)
      await until('one from before', () => ids().size === 1)
      await on.server.loseEverything()
      const [message] = messages(1)
      if (!message) throw new Error('no message')
      await until('publishing to work again', () => succeeds(on.broker.publish(QUEUE, [message])), 60)
      await until('one from after', () => ids().size === 2)
      expect(ids()).toEqual(new Set([...before, message.id]))
    }, 180_000)

    it('in the middle of publishing lose nothing that was confirmed', async () => {
      const confirmed = new Set<string>()
      const isEnough = Promise.withResolvers<void>()
      let going = true
      const publisher = async () => {
        while (going) {
          const list = messages(20)
          const ok = await succeeds(on.broker.publish(QUEUE, list))
          if (ok) for (const { id } of list) confirmed.add(id)
          if (confirmed.size > 1_000) isEnough.resolve()
          if (!ok) await new Promise((resolve) => setImmediate(resolve))
        }
      }
      const publishers = Array.from({ length: 8 }, publisher)
      await isEnough.promise
      await on.server.kill()
      going = false
      await Promise.all(publishers)
      await on.server.start()
      await until('the broker to be up', () => on.broker.isUp(), 60)
      const { ids } = await on.gather(undefined, { options: { maxInFlight: 200, maxAttempts: 3 } })
      await until('the queue to be drained', async () => (await on.depthOf()).ready === 0 && (await on.depthOf()).inFlight === 0, 60)
      expect([...confirmed].filter((id) => !ids().has(id))).toEqual([])
    }, 180_000)
  })
}
