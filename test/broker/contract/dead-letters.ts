import { describe, expect, it } from 'vitest'
import type { Verdict } from '../../../src/broker/broker.ts'
import { until } from '../../support/until.ts'
import { type Bench, EMPTY, QUEUE } from './bench.ts'

/** What nobody could handle, and the counts. */
export function deadLetters(on: Bench): void {
  describe('dead letters', () => {
    it('are what was not acknowledged in as many attempts as allowed, not one more or less', async () => {
      const { got } = await on.gather(() => ({ do: 'retry', afterMs: 0, error: 'broken for good' }))
      const [id] = await on.published(1)
      const letters = await until('the dead letter', async () => {
        const found = await on.broker.dead.list({ limit: 10 })
        return found.length > 0 && found
      })
      expect(got.map(({ attempt }) => attempt)).toEqual([1, 2, 3])
      expect(letters).toEqual([
        { key: `${QUEUE}/${id}`, id, queue: QUEUE, body: { n: 0 }, error: 'broken for good', attempts: 3, diedAt: expect.any(Date) },
      ])
      expect(await on.depthOf()).toEqual({ ...EMPTY, dead: 1 })
    })

    it('are listed page by page, put back to begin anew, or discarded', async () => {
      const first = await on.gather(({ body }) => ({ do: 'dead', error: `no use\u0000 for ${JSON.stringify(body)}` }))
      const ids = await on.published(5)
      await until('five dead', async () => (await on.depthOf()).dead === 5)
      await first.consumer.stop(1_000)
      const page = await on.broker.dead.list({ limit: 3 })
      const rest = await on.broker.dead.list({ limit: 3, after: page[2]?.key ?? '' })
      expect([...page, ...rest].map(({ id }) => id)).toEqual([...ids].sort())
      expect(page[0]?.error).toBe('no use for {"n":0}')

      const keys = ids.map((id) => `${QUEUE}/${id}`)
      expect(await on.broker.dead.requeue([...keys.slice(0, 2), 'orders.facts/nobody', 'nonsense'])).toBe(2)
      expect(await on.broker.dead.requeue([])).toBe(0)
      const { got } = await on.gather()
      await until('two that are back', () => got.length === 2)
      expect(new Set(got.map(({ id }) => id))).toEqual(new Set(ids.slice(0, 2)))
      expect(got.every(({ attempt }) => attempt === 1)).toBe(true)

      expect(await on.broker.dead.discard([keys[2] ?? '', keys[0] ?? ''])).toBe(1)
      expect((await on.broker.dead.list({ limit: 10 })).map(({ id }) => id)).toEqual(ids.slice(3))
    })
  })

  it('counts what waits, what is put off, what is in hand and what is dead', async () => {
    const never = new Promise<Verdict>(() => {})
    const { got } = await on.gather(({ body }) => (body === 'dead' ? { do: 'dead', error: 'dead' } : never), {
      options: { maxInFlight: 2, maxAttempts: 3 },
    })
    await on.broker.publish(QUEUE, [{ id: 'd', body: 'dead' }])
    await until('one dead', async () => (await on.depthOf()).dead === 1)
    await on.published(2)
    await until('two in hand', () => got.length === 3)
    await on.published(3)
    await on.broker.publish(QUEUE, [{ id: 'l', body: 'later', delayMs: 600_000 }])
    await until('all to be counted', async () => {
      const { ready, delayed, inFlight, dead } = { ...EMPTY, ...(await on.depthOf()) }
      return ready === 3 && delayed === 1 && inFlight === 2 && dead === 1
    })
    expect((await on.broker.depth()).map(({ queue }) => queue)).toHaveLength(4)
  })
}
