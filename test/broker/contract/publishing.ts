import { describe, expect, it } from 'vitest'
import { newId } from '../../../src/platform/ids.ts'
import { until } from '../../support/until.ts'
import { type Bench, EMPTY, messages, QUEUE } from './bench.ts'

/** What is published arrives, when it should. */
export function publishing(on: Bench): void {
  describe('publishing', () => {
    it('hands over what was published, as it was published, for the first time', async () => {
      const body = { order: 'ñandú ✓', list: [1, null, { deep: '\u0000\ud800' }], money: 9_007_199_254_740_991 }
      const id = newId()
      await on.broker.publish(QUEUE, [{ id, body }])
      const { got } = await on.gather()
      await until('the message', () => got.length > 0)
      expect(got).toEqual([{ id, body, attempt: 1, publishedAt: expect.any(Date) }])
      expect(Math.abs(Date.now() - (got[0]?.publishedAt.getTime() ?? 0))).toBeLessThan(600_000)
      await until('the queue to be empty', async () => (await on.depthOf()).inFlight === 0)
      expect(await on.depthOf()).toEqual(EMPTY)
    })

    it('keeps queues apart', async () => {
      const { got } = await on.gather()
      await on.broker.publish('orders.facts', messages(1))
      const [id] = await on.published(1)
      await until('the message', () => got.length > 0)
      expect(got.map((one) => one.id)).toEqual([id])
      expect(await on.depthOf('orders.facts')).toEqual({ ...EMPTY, ready: 1 })
    })

    it('takes two thousand at once and delivers each, oldest first', async () => {
      const ids = await on.published(2_000)
      const { got } = await on.gather(undefined, { options: { maxInFlight: 100, maxAttempts: 3 } })
      await until('all messages', () => got.length >= ids.length)
      expect(got.map(({ id }) => id)).toEqual(ids)
    })

    it('may be given the same message twice: it is delivered, at most twice', async () => {
      const list = messages(5)
      await on.broker.publish(QUEUE, list)
      await on.broker.publish(QUEUE, list)
      const { got, ids } = await on.gather()
      await until('all messages', () => ids().size === 5)
      await until('the queue to be empty', async () => JSON.stringify(await on.depthOf()) === JSON.stringify(EMPTY))
      expect(got.length).toBeLessThanOrEqual(10)
    })

    it('delivers a message again that is published while it is being handled', async () => {
      const [message] = messages(1)
      if (!message) throw new Error('no message')
      const bodies: unknown[] = []
      const { got } = await on.gather(async ({ id, body }) => {
        bodies.push(body)
        if (bodies.length === 1) await on.broker.publish(QUEUE, [{ id, body: 'news' }])
        return { do: 'ack' }
      })
      await on.broker.publish(QUEUE, [message])
      await until('the second delivery', () => bodies.length === 2)
      expect(bodies).toEqual([{ n: 0 }, 'news'])
      expect(got[1]?.attempt).toBe(1)
    })

    it('refuses what it can not carry, by name, and then stores nothing of the batch', async () => {
      const circle: { self?: unknown } = {}
      circle.self = circle
      const good = { id: 'good', body: 1 }
      for (const [bad, says] of [
        [{ id: '', body: 1 }, /id must have/],
        [{ id: 'a b', body: 1 }, /id must have/],
        [{ id: 'x'.repeat(201), body: 1 }, /id must have/],
        [{ id: 'nothing', body: undefined }, /nothing.*JSON/],
        [{ id: 'round', body: circle }, /circular/],
        [{ id: 'long', body: 'x'.repeat(1_100_000) }, /long.*1100002/],
        [{ id: 'past', body: 1, delayMs: -1 }, /past.*delayMs/],
      ] as const)
        await expect(on.broker.publish(QUEUE, [good, bad])).rejects.toThrow(says)
      await on.broker.publish(QUEUE, [])
      expect(await on.depthOf()).toEqual(EMPTY)
    })
  })

  describe('delays', () => {
    it('delivers no sooner than it was told, and a short delay is not held up by a long one', async () => {
      const at = new Map<string, number>()
      const start = performance.now()
      await on.gather(({ id }) => {
        at.set(id, performance.now() - start)
        return { do: 'ack' }
      })
      await on.broker.publish(QUEUE, [
        { id: 'hour', body: 1, delayMs: 3_600_000 },
        { id: 'later', body: 1, delayMs: 4_000 },
        { id: 'soon', body: 1, delayMs: 700 },
        { id: 'now', body: 1 },
      ])
      await until('three messages', () => at.size === 3)
      expect([...at.keys()]).toEqual(['now', 'soon', 'later'])
      expect(at.get('soon')).toBeGreaterThanOrEqual(700)
      expect(at.get('later')).toBeGreaterThanOrEqual(4_000)
      expect(await on.depthOf()).toMatchObject({ delayed: 1, ready: 0, dead: 0 })
    })

    it('delivers a retry no sooner than the handler asked, with the next attempt', async () => {
      const at: number[] = []
      const { got } = await on.gather(() => {
        at.push(performance.now())
        return at.length < 2 ? { do: 'retry', afterMs: 1_200, error: 'not yet' } : { do: 'ack' }
      })
      await on.published(1)
      await until('the second delivery', () => at.length === 2)
      expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(1_200)
      expect(got.map(({ attempt }) => attempt)).toEqual([1, 2])
      expect(got[1]?.publishedAt).toEqual(got[0]?.publishedAt)
    })
  })
}
