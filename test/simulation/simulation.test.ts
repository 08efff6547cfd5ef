import { beforeAll, describe, expect, it } from 'vitest'
import { bootEngines } from './ports/engine.ts'
import { simulate } from './simulate.ts'
import { installGlobals } from './world/globals.ts'

/** A few seeds; hundreds of them run by `npm run simulate`. */

let engines: Awaited<ReturnType<typeof bootEngines>>
beforeAll(async () => {
  installGlobals()
  engines = await bootEngines()
}, 600_000)

const ORDERS = 12

describe('the simulation', () => {
  it.each(['1', '2', '3', '4'])(
    'holds every invariant in seed %s, and everything comes to its end',
    async (seed) => {
      const result = await simulate(seed, engines, { orders: ORDERS })
      expect(result.violations).toEqual([])
      expect(result.accepted).toBeGreaterThan(0)
    },
    300_000,
  )

  it('runs the same seed the same way, also after others; and another seed otherwise', async () => {
    const first = await simulate('5', engines, { orders: ORDERS })
    const other = await simulate('6', engines, { orders: ORDERS })
    const again = await simulate('5', engines, { orders: ORDERS })
    expect(again.hash).toBe(first.hash)
    expect(again.events).toBe(first.events)
    expect(other.hash).not.toBe(first.hash)
  }, 300_000)
})
