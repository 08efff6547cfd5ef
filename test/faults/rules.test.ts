import { describe, expect, it } from 'vitest'
import { type Faults, type NewFault, openFaults, problemWithFault } from '../../src/platform/faults.ts'

/** Which fault strikes which call; on a clock and dice of our own. */

const fault = (more: Partial<NewFault> = {}): NewFault => ({
  ...{ id: 'f1', kind: 'unavailable', method: '', rate: 1, latencyMs: 0, count: 0, forMs: 1_000 },
  ...more,
})
function book(dice: number[] = []): { faults: Faults; at: { ms: number } } {
  const at = { ms: 0 }
  return { at, faults: openFaults({ now: () => at.ms, random: () => dice.shift() ?? 0 }) }
}

describe('a fault', () => {
  it('strikes every method of its service, or the one it names', () => {
    const { faults } = book()
    faults.set(fault({ method: 'VoidPayments' }))
    expect(faults.strike('GetPayments')).toBeUndefined()
    expect(faults.strike('VoidPayments')).toEqual({ kind: 'unavailable', latencyMs: 0 })
    faults.set(fault({ id: 'f2', kind: 'error' }))
    expect(faults.strike('GetPayments')).toEqual({ kind: 'error', latencyMs: 0 })
  })

  it('is over when its time is, and not a moment earlier', () => {
    const { faults, at } = book()
    faults.set(fault({ forMs: 1_000 }))
    at.ms = 999
    expect([faults.strike('x')?.kind, faults.nextEndMs()]).toEqual(['unavailable', 1])
    at.ms = 1_000
    expect([faults.strike('x'), faults.list(), faults.nextEndMs()]).toEqual([undefined, [], undefined])
  })

  it('is over when it has struck as often as it may', () => {
    const { faults } = book()
    faults.set(fault({ count: 2 }))
    expect([1, 2, 3].map(() => faults.strike('x')?.kind)).toEqual(['unavailable', 'unavailable', undefined])
    expect(faults.list()).toEqual([])
  })

  it('strikes the share of calls that its rate says', () => {
    const { faults } = book([0, 0.24, 0.25, 0.99])
    faults.set(fault({ rate: 0.25 }))
    expect([1, 2, 3, 4].map(() => faults.strike('x')?.kind)).toEqual(['unavailable', 'unavailable', undefined, undefined])
    expect(faults.list()).toMatchObject([{ struck: 2 }])
  })

  it('under the id of another takes its place', () => {
    const { faults } = book()
    faults.set(fault())
    faults.set(fault({ kind: 'error' }))
    expect(faults.list().map(({ kind }) => kind)).toEqual(['error'])
  })

  it('of latency adds its wait to that of others, and to what else strikes the call', () => {
    const { faults } = book()
    faults.set(fault({ id: 'a', kind: 'latency', latencyMs: 30 }))
    faults.set(fault({ id: 'b', kind: 'lose-reply' }))
    faults.set(fault({ id: 'c', kind: 'latency', latencyMs: 12 }))
    faults.set(fault({ id: 'd', kind: 'crash-after', count: 1 }))
    expect(faults.strike('x')).toEqual({ kind: 'lose-reply', latencyMs: 42 })
    expect(faults.list().map(({ struck }) => struck)).toEqual([1, 1, 1, 0])
  })

  it('is cleared with all others', () => {
    const { faults } = book()
    faults.set(fault())
    faults.set(fault({ id: 'f2' }))
    expect([faults.clear(), faults.strike('x'), faults.clear()]).toEqual([2, undefined, 0])
  })
})

describe('a service is down', () => {
  const isDown = (more: Partial<NewFault>) => {
    const { faults } = book()
    faults.set(fault(more))
    return faults.isDown()
  }

  it('when every call fails as unavailable', () => expect(isDown({})).toBe(true))

  it.each<[string, Partial<NewFault>]>([
    ['some calls', { rate: 0.99 }],
    ['one method', { method: 'VoidPayments' }],
    // Or a probe that waits for health would never let the calls come that use it up.
    ['some number of calls', { count: 3 }],
  ])('but not when only %s do', (_what, more) => expect(isDown(more)).toBe(false))

  it.each(['error', 'latency', 'lose-reply', 'crash-before', 'crash-after'] as const)('nor by %s', (kind) => {
    expect(isDown({ kind, latencyMs: kind === 'latency' ? 1 : 0 })).toBe(false)
  })
})

describe('a fault is refused', () => {
  it.each<[string, Partial<NewFault>]>([
    ['there is no kind "sabotage"', { kind: 'sabotage' as never }],
    ['this service has no method "Pay"', { method: 'Pay' }],
    ['the rate must be', { rate: 0 }],
    ['the rate must be', { rate: 1.01 }],
    ['the rate must be', { rate: Number.NaN }],
    ['a fault lasts from', { forMs: 0 }],
    ['a fault lasts from', { forMs: 3_600_001 }],
    ['the count must be', { count: -1 }],
    ['a latency is from', { kind: 'latency' }],
    ['a latency is from', { kind: 'latency', latencyMs: 60_001 }],
    ['only the kind latency', { latencyMs: 5 }],
  ])('%s', (words, more) => {
    expect(problemWithFault(fault(more), ['VoidPayments'])).toContain(words)
  })

  it('otherwise not', () => {
    expect(problemWithFault(fault({ kind: 'latency', latencyMs: 60_000, method: 'VoidPayments', rate: 0.1 }), ['VoidPayments'])).toBe(
      undefined,
    )
  })
})
