import { describe, expect, it } from 'vitest'
import { type Answer, done, fromWire, refused, toWire, unknown } from '../../src/platform/outcome.ts'

describe('an answer', () => {
  it.each<[string, Answer<number>]>([
    ['done', done(7)],
    ['refused', refused('out_of_stock', 'none left')],
    ['unknown', unknown('no reply')],
  ])('%s is the same after a trip over the wire', (_kind, answer) => {
    expect(fromWire(toWire(answer, (value) => value))).toEqual(answer)
  })

  it('without an outcome is unknown, never done', () => {
    expect(fromWire(undefined).kind).toBe('unknown')
    expect(fromWire({}).kind).toBe('unknown')
  })
})
