import { beforeAll, describe, expect, it } from 'vitest'
import { bootEngines } from '../ports/engine.ts'
import { Effects } from '../world/effects.ts'
import { installGlobals } from '../world/globals.ts'
import { play } from './play.ts'
import { SCRIPTS, type Script } from './scripts.ts'

/** A few crashes; every step of every script: `npm run simulate -- --crashes`. */

let engines: Awaited<ReturnType<typeof bootEngines>>
beforeAll(async () => {
  installGlobals()
  engines = await bootEngines()
}, 600_000)

const confirmed = SCRIPTS.find(({ name }) => name === 'confirmed') as Script
const stepOf = (effects: string[], words: RegExp) => effects.findIndex((effect) => words.test(effect)) + 1

describe('a crash at a step', () => {
  it.each([
    ['before the order is stored', /^orders-\d sql with accepted/, 'before'],
    ['after the order is stored, its answer lost', /^orders-\d sql with accepted/, 'after'],
    ['after the provider was asked, before its answer is stored', /^payment-1 sql insert into simulated_provider.charges/, 'after'],
    ['before the parcels are known', /^shipping-1 reply .*createShipments/, 'before'],
  ] as const)(
    '%s: the order is confirmed all the same',
    async (_, words, when) => {
      const { effects } = await play(confirmed, engines, { points: [] })
      const n = stepOf(effects, words)
      expect(n).toBeGreaterThan(0)
      const crashed = await play(confirmed, engines, { points: [{ n, when }] })
      expect(crashed.violations).toEqual([])
      expect(crashed.effects.slice(0, n)).toEqual(effects.slice(0, n))
      expect(crashed.effects.length).toBeGreaterThan(n)
    },
    300_000,
  )

  it('is found out when the order then ends otherwise than it must', async () => {
    const { violations } = await play({ ...confirmed, ends: ['rejected'] }, engines, { points: [{ n: 5, when: 'after' }] })
    expect(violations.map((one) => one.invariant)).toEqual(['the story ends as it must'])
  }, 300_000)
})

describe('steps', () => {
  const leftOutOf = (labels: string[], crashAfter?: number) => {
    const effects = new Effects()
    for (const [i, label] of labels.entries()) {
      effects.note('payment-1', label)
      if (i === crashAfter) effects.beginAgain()
    }
    return [...effects.leftOut]
  }

  it('leave out what was done twice before in the same place, whatever ids it names', () => {
    const ask = (i: number) => `sql select 01b8dac5-b42b-7a64-85a9-00000000000${i}`
    expect(leftOutOf(['begin', ask(1), 'commit', 'begin', ask(2), 'commit', 'begin', ask(3), 'commit'])).toEqual([8, 9])
    expect(leftOutOf(['begin', 'one', 'commit', 'begin', 'other', 'commit', 'begin', 'third', 'commit'])).toEqual([])
  })

  it('count anew after a crash', () => {
    expect(leftOutOf(['ask', 'ask', 'ask', 'ask', 'ask'])).toEqual([4, 5])
    expect(leftOutOf(['ask', 'ask', 'ask', 'ask', 'ask'], 2)).toEqual([])
  })
})
