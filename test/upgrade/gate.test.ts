import { describe, expect, it } from 'vitest'
import { hasFailed, inWords, isToldLater, openGate } from './gate.ts'
import { drawStages, tally } from './report.ts'

/** What is counted as a failed request decides whether an upgrade passes. */

const answering = (...answers: (Response | Error)[]) => ({
  async fetch() {
    const next = answers.shift()
    if (next instanceof Response) return next
    throw next ?? new Error('nothing more')
  },
})
const post = { method: 'POST' }
const problem = (status: number, headers = {}) => new Response('{"code":"x"}', { status, headers })

async function passedBy(...answers: (Response | Error)[]) {
  const { passed, reach } = openGate(answering(...answers))
  for (const _ of [...answers]) await reach(0, '/orders', post).catch(() => {})
  return passed
}

describe('the gate', () => {
  it('hands on what the balancer answers, body and all, and what it throws', async () => {
    const { reach } = openGate(answering(problem(500), new Error('cut')))
    expect(await (await reach(0, '/orders', post)).json()).toEqual({ code: 'x' })
    await expect(reach(0, '/orders', post)).rejects.toThrow('cut')
  })

  it.each<[string, Response | Error, { failed: boolean; later: boolean }]>([
    ['an order', problem(201), { failed: false, later: false }],
    ['a refusal by the business', problem(409), { failed: false, later: false }],
    ['too many requests', problem(429, { 'retry-after': '1' }), { failed: false, later: true }],
    ['503 that says when to come again', problem(503, { 'retry-after': '1' }), { failed: false, later: true }],
    ['503 that says nothing', problem(503), { failed: true, later: false }],
    ['an error', problem(500, { 'retry-after': '1' }), { failed: true, later: false }],
    ['no answer', new Error('fetch failed', { cause: new Error('reset') }), { failed: true, later: false }],
  ])('judges %s', async (_, answer, { failed, later }) => {
    const [one] = await passedBy(answer)
    if (!one) throw new Error('nothing was noted')
    expect([hasFailed(one), isToldLater(one)]).toEqual([failed, later])
    expect(inWords(one)).toMatch(/^POST \/orders: (\d{3}|no answer)/)
  })
})

describe('the table', () => {
  it('counts for each stage what ended within it', async () => {
    const passed = await passedBy(problem(201), problem(202), problem(503, { 'retry-after': '1' }), problem(503), problem(409))
    const all = { from: 0, until: Infinity }
    expect(tally(passed, all)).toMatchObject({ requests: 5, taken: 2, waiting: 1, later: 1, failed: 1 })
    expect(tally(passed, { from: 0, until: 0 })).toMatchObject({ requests: 0, taken: 0, failed: 0 })
    expect(drawStages([{ name: 'orders → new', told: '2 processes', from: 0, until: 5_000 }], passed)).toContain('orders → new')
  })
})
