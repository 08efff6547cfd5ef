import { describe, expect, it } from 'vitest'
import { until } from '../../support/until.ts'
import { consumerProcess } from '../consumer-process.ts'
import { type Bench, OPTIONS, QUEUE } from './bench.ts'

/** Whatever a handler does or suffers, its messages are not lost. */
export function handlers(on: Bench): void {
  describe('handlers', () => {
    it('that throw get their messages again', async () => {
      let calls = 0
      const { got } = await on.gather(() => {
        if (++calls === 1) throw new Error('a bug')
        return { do: 'ack' }
      })
      const [id] = await on.published(1)
      await until('the second delivery', () => got.length === 2)
      expect(got.map(({ id: one, attempt }) => [one, attempt])).toEqual([
        [id, 1],
        [id, 2],
      ])
    })

    it('that answer too few get the rest again', async () => {
      const attempts: number[] = []
      await on.broker.consume(
        QUEUE,
        async (deliveries) => {
          attempts.push(...deliveries.map(({ attempt }) => attempt))
          return attempts.length > 1 ? deliveries.map(() => ({ do: 'ack' })) : []
        },
        OPTIONS,
      )
      await on.published(1)
      await until('the second delivery', () => attempts.length === 2)
      expect(attempts).toEqual([1, 2])
    })

    it('never have more in hand than they wanted', async () => {
      let inHand = 0
      let most = 0
      const done = new Set<string>()
      const options = { maxInFlight: 4, maxAttempts: 3 }
      await on.gather(
        async ({ id }) => {
          most = Math.max(most, ++inHand)
          await new Promise((resolve) => setImmediate(resolve))
          inHand--
          done.add(id)
          return { do: 'ack' }
        },
        { options },
      )
      await on.published(60)
      await until('all to be handled', () => done.size === 60)
      expect(most).toBeGreaterThan(0)
      expect(most).toBeLessThanOrEqual(4)
    })

    it('lose no message when their process is killed: another gets it, and it counts as an attempt', async () => {
      const ids = await on.published(3)
      const victim = await consumerProcess(QUEUE, on.server.settings())
      await until('the victim to have them', () => victim.got().length === 3)
      victim.kill()
      const { got, ids: seen } = await on.gather()
      await until('all messages again', () => seen().size === 3)
      expect(seen()).toEqual(new Set(ids))
      expect(new Set(got.map(({ attempt }) => attempt))).toEqual(new Set([2]))
    })

    it('that kill their process again and again end with the message among the dead', async () => {
      const [id] = await on.published(1)
      for (let death = 1; death <= 2; death++) {
        const victim = await consumerProcess(QUEUE, { ...on.server.settings(), MAX_ATTEMPTS: '2' })
        await until(`death ${death}`, () => victim.got().length === 1)
        victim.kill()
      }
      const { got } = await on.gather(undefined, { options: { maxInFlight: 10, maxAttempts: 2 } })
      const [letter] = await until('the dead letter', async () => {
        const letters = await on.broker.dead.list({ limit: 10 })
        return letters.length > 0 && letters
      })
      expect(letter).toMatchObject({ id, attempts: 2, error: expect.stringContaining('never answered') })
      expect(got).toEqual([])
    })
  })
}
