import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batched, type ItemResult, limitBatches, QueueFullError } from '../../src/platform/batched.ts'

/** Calls that stay open until the test answers them. */
function heldCalls<I>() {
  const calls: { items: I[]; answer(results: ItemResult<string>[]): void; fail(error: Error): void }[] = []
  const arrivals: (() => void)[] = []
  const many = (items: I[]) =>
    new Promise<ItemResult<string>[]>((answer, fail) => {
      calls.push({ items, answer, fail })
      for (const wake of arrivals.splice(0)) wake()
    })
  const arrived = async (count: number) => {
    while (calls.length < count) await new Promise<void>((wake) => arrivals.push(wake))
    return calls[count - 1] as (typeof calls)[number]
  }
  return { many, calls, arrived }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('batched', () => {
  it('sends one item at once when nothing is in flight', async () => {
    const { many, arrived } = heldCalls<number>()
    const call = batched(many, { max: 10, concurrency: 1 })
    const result = call(1)
    const first = await arrived(1)
    expect(first.items).toEqual([1])
    first.answer(['one'])
    expect(await result).toBe('one')
  })

  it('sends what one turn of the event loop brings together', async () => {
    const { many, calls, arrived } = heldCalls<number>()
    const call = batched(many, { max: 10, concurrency: 4 })
    const results = Promise.all([call(1), call(2), call(3)])
    const first = await arrived(1)
    expect(first.items).toEqual([1, 2, 3])
    first.answer(['a', 'b', 'c'])
    expect(await results).toEqual(['a', 'b', 'c'])
    expect(calls.length).toBe(1)
  })

  it('keeps the slot of an answered call until what follows has settled, also badly', async () => {
    const { many, calls, arrived } = heldCalls<number>()
    const follow = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let answered = 0
    const call = batched(many, { max: 10, concurrency: 1, keepSlot: () => follow[answered++]?.promise ?? Promise.resolve() })
    const first = call(1)
    ;(await arrived(1)).answer(['one'])
    expect(await first).toBe('one')
    const second = call(2)
    await turn()
    expect(calls.length).toBe(1)
    follow[0]?.resolve()
    ;(await arrived(2)).answer(['two'])
    expect(await second).toBe('two')
    const third = call(3)
    follow[1]?.reject(new Error('what followed went wrong'))
    ;(await arrived(3)).answer(['three'])
    expect(await third).toBe('three')
  })

  it('collects while all slots are in flight, and sends up to the maximum when one is free', async () => {
    const { many, calls, arrived } = heldCalls<number>()
    const call = batched(many, { max: 3, concurrency: 1 })
    const results = [call(0)]
    const first = await arrived(1)
    for (let i = 1; i <= 5; i++) results.push(call(i))
    await turn()
    expect(calls.length).toBe(1)
    first.answer(['0'])
    const second = await arrived(2)
    expect(second.items).toEqual([1, 2, 3])
    second.answer(['1', '2', '3'])
    const third = await arrived(3)
    expect(third.items).toEqual([4, 5])
    third.answer(['4', '5'])
    expect(await Promise.all(results)).toEqual(['0', '1', '2', '3', '4', '5'])
  })

  it('rejects only the item whose own result is an error', async () => {
    const call = batched(async (items: number[]) => items.map((i) => (i === 2 ? new Error('two is bad') : i)), { max: 10, concurrency: 1 })
    const results = await Promise.allSettled([call(1), call(2), call(3)])
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value : result.reason.message))).toEqual([1, 'two is bad', 3])
  })

  it('rejects every item of a failed call, and goes on with the next', async () => {
    let calls = 0
    const many = async (items: number[]) => {
      if (++calls === 1) throw new Error('down')
      return items
    }
    const call = batched(many, { max: 10, concurrency: 1 })
    expect((await Promise.allSettled([call(1), call(2)])).map((result) => result.status)).toEqual(['rejected', 'rejected'])
    expect(await call(3)).toBe(3)
  })

  it('survives a call that throws before it returns a promise', async () => {
    const call = batched<number, number>(
      () => {
        throw new Error('at once')
      },
      { max: 10, concurrency: 1 },
    )
    await expect(call(1)).rejects.toThrow('at once')
    await expect(call(2)).rejects.toThrow('at once')
  })

  it('splits a failed call in halves when that is allowed, so that the bad item fails alone', async () => {
    const sizes: number[] = []
    const many = async (items: number[]) => {
      sizes.push(items.length)
      if (items.includes(5)) throw new Error('five is bad')
      return items
    }
    const call = batched(many, { max: 10, concurrency: 1, splitOn: (error) => (error as Error).message === 'five is bad' })
    const results = await Promise.allSettled([0, 1, 2, 3, 4, 5, 6, 7].map(call))
    expect(results.map((result) => result.status === 'fulfilled')).toEqual([true, true, true, true, true, false, true, true])
    expect(sizes[0]).toBe(8)
  })

  it('does not split on an error that says nothing about the items', async () => {
    let calls = 0
    const many = async (): Promise<number[]> => {
      calls++
      throw new Error('down')
    }
    const call = batched(many, { max: 10, concurrency: 1, splitOn: (error) => (error as Error).message !== 'down' })
    await Promise.allSettled([call(1), call(2), call(3)])
    expect(calls).toBe(1)
  })

  it('takes a wrong number of results for a failed call', async () => {
    const call = batched(async (_items: number[]) => ['only one'], { max: 10, concurrency: 1 })
    const results = await Promise.allSettled([call(1), call(2)])
    for (const result of results) expect(result.status === 'rejected' && result.reason.message).toMatch(/2 was answered with 1/)
  })

  it('refuses at once when too many wait, and takes items again when the queue has moved', async () => {
    const { many, arrived } = heldCalls<number>()
    const call = batched(many, { max: 1, concurrency: 1, maxQueued: 2 })
    const flying = call(0)
    const first = await arrived(1)
    const waiting = [call(1), call(2)]
    await expect(call(3)).rejects.toBeInstanceOf(QueueFullError)
    first.answer(['0'])
    await flying
    const second = await arrived(2)
    const late = call(4)
    second.answer(['1'])
    ;(await arrived(3)).answer(['2'])
    ;(await arrived(4)).answer(['4'])
    expect(await Promise.all([...waiting, late])).toEqual(['1', '2', '4'])
  })

  it('gives every item its own result and never exceeds its limits, whatever the sizes', async () => {
    const script = fc.record({
      max: fc.integer({ min: 1, max: 7 }),
      concurrency: fc.integer({ min: 1, max: 4 }),
      waves: fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 6 }),
      bad: fc.integer({ min: 2, max: 9 }),
    })
    await fc.assert(
      fc.asyncProperty(script, fc.scheduler(), async ({ max, concurrency, waves, bad }, scheduler) => {
        let inFlight = 0
        const many = async (items: number[]) => {
          expect(items.length).toBeGreaterThan(0)
          expect(items.length).toBeLessThanOrEqual(max)
          expect(++inFlight).toBeLessThanOrEqual(concurrency)
          await scheduler.schedule(Promise.resolve())
          inFlight--
          return items.map((item) => (item % bad === 0 ? new Error(`bad ${item}`) : `good ${item}`))
        }
        const call = batched(many, { max, concurrency })
        const results: Promise<void>[] = []
        let next = 0
        for (const size of waves) {
          for (let i = 0; i < size; i++) {
            const item = next++
            results.push(
              call(item).then(
                (value) => expect(value).toBe(`good ${item}`),
                (error: Error) => expect(error.message).toBe(item % bad === 0 ? `bad ${item}` : 'never'),
              ),
            )
          }
          await turn()
        }
        await scheduler.waitFor(Promise.all(results))
        expect(inFlight).toBe(0)
      }),
      { numRuns: 200 },
    )
  })

  it('holds no more than the setting allows, with as many items under way as before', async () => {
    limitBatches(1)
    try {
      const sizes: number[] = []
      let most = 0
      let inFlight = 0
      const call = batched(
        async (items: number[]) => {
          sizes.push(items.length)
          most = Math.max(most, ++inFlight)
          await turn()
          inFlight--
          return items
        },
        { max: 3, concurrency: 2 },
      )
      expect(await Promise.all(Array.from({ length: 20 }, (_, item) => call(item)))).toHaveLength(20)
      expect(sizes).toEqual(Array(20).fill(1))
      expect(most).toBe(6)
    } finally {
      limitBatches(Number.POSITIVE_INFINITY)
    }
  })
})
