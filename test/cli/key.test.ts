import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonical, keyMaker } from '../../src/cli/batch/key.ts'
import { Occurrences } from '../../src/cli/batch/occurrences.ts'

// Few different orders and references, so that equal lines are the rule: among random ones they hardly ever come up.
const order = (user_id: string, quantity: number) => ({ user_id, items: [{ product_id: 'a', quantity }], payment_method: 'paypal' })
const orders = fc.constantFrom(order('u', 1), order('u', 2), order('v', 1))
const lines = fc.array(fc.tuple(orders, fc.constantFrom('', 'r1')), { minLength: 7, maxLength: 60 })
const keysOf = (all: [Parameters<ReturnType<typeof keyMaker>>[0], string][]) => {
  const keyOf = keyMaker('batch-')
  return all.map(([order, reference]) => keyOf(order, reference))
}

describe('the idempotency key of a line', () => {
  it('is the same in every run, and no two lines of a file share one', () => {
    fc.assert(
      fc.property(lines, (all) => {
        const keys = keysOf(all)
        expect(keysOf(structuredClone(all))).toEqual(keys)
        expect(new Set(keys).size).toBe(keys.length)
        for (const key of keys) expect(key).toMatch(/^batch-[0-9a-f]{40}$/)
      }),
    )
  })

  it('does not depend on the order of the lines, nor on other lines that were added', () => {
    fc.assert(
      fc.property(lines, lines, (all, more) => {
        expect(keysOf([...all].reverse()).sort()).toEqual(keysOf(all).sort())
        const grown = new Set(keysOf([...more, ...all]))
        expect(keysOf(all).filter((key) => !grown.has(key))).toEqual([])
      }),
    )
  })

  it('does not depend on the order of the fields', () => {
    expect(canonical({ b: 1, a: [{ d: null, c: 'x' }] })).toBe('{"a":[{"c":"x","d":null}],"b":1}')
    expect(canonical(JSON.parse('{"__proto__":1}'))).toBe('{"__proto__":1}')
  })
})

it('occurrences are counted like a Map would, also after growing', () => {
  const counted = new Occurrences()
  const map = new Map<string, number>()
  for (let i = 0; i < 10_000; i++) {
    const digest = createHash('sha256')
      .update(String(i % 3_000))
      .digest()
    const before = map.get(String(i % 3_000)) ?? 0
    expect(counted.countBefore(digest)).toBe(before)
    map.set(String(i % 3_000), before + 1)
  }
})
