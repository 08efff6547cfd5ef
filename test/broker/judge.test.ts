import { describe, expect, it } from 'vitest'
import type { Delivery, Verdict } from '../../src/broker/broker.ts'
import { type Handle, judge } from '../../src/broker/judge.ts'
import { silentLog } from '../../src/platform/log.ts'

const delivery = (id: string, attempt = 1): Delivery => ({ id, body: 1, attempt, publishedAt: new Date(0) })
const judged = (handle: Handle, deliveries: Delivery[]) =>
  judge({ queue: 'orders.facts', handle, deliveries, maxAttempts: 3, timeoutMs: 200, log: silentLog() })

describe('what becomes of deliveries', () => {
  it('is what the handler says, in order', async () => {
    const verdicts: Verdict[] = [{ do: 'ack' }, { do: 'retry', afterMs: 70, error: 'later' }, { do: 'dead', error: 'never' }]
    expect(await judged(async () => verdicts, [delivery('a'), delivery('b'), delivery('c')])).toEqual(verdicts)
  })

  it('is another try, ever later, when the handler throws, answers too few, or hangs', async () => {
    const failures: [string, Handle][] = [
      ['a bug', () => Promise.reject(new Error('a bug'))],
      ['a bug in no error', () => Promise.reject('a bug in no error')],
      ['the handler gave no verdict', async () => []],
      ['the handler did not answer within 0.2 s', () => new Promise(() => {})],
    ]
    for (const [error, handle] of failures) {
      const [first, second] = await judged(handle, [delivery('a', 1), delivery('b', 2)])
      expect(first).toMatchObject({ do: 'retry', error })
      expect(second).toMatchObject({ do: 'retry', error })
      const waits = [first, second].map((verdict) => (verdict?.do === 'retry' ? verdict.afterMs : 0))
      expect(waits[0]).toBeGreaterThanOrEqual(500)
      expect(waits[1]).toBeGreaterThanOrEqual(1_000)
    }
  })

  it('is death after the last attempt, whatever failed', async () => {
    const retry: Verdict = { do: 'retry', afterMs: 0, error: 'still not' }
    expect(await judged(async () => [retry, retry], [delivery('a', 2), delivery('b', 3)])).toEqual([
      retry,
      { do: 'dead', error: 'still not' },
    ])
    expect(await judged(() => Promise.reject(new Error('a bug')), [delivery('a', 3)])).toEqual([{ do: 'dead', error: 'a bug' }])
  })

  it('has a reason that can be stored anywhere', async () => {
    const [verdict] = await judged(async () => [{ do: 'dead', error: `nul \0, half \ud800, long ${'x'.repeat(5_000)}` }], [delivery('a')])
    const error = verdict?.do === 'dead' ? verdict.error : ''
    expect(error).not.toContain('\0')
    expect(error.isWellFormed()).toBe(true)
    expect(error.length).toBe(2_000)
  })
})
