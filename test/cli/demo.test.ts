import { afterEach, describe, expect, it } from 'vitest'
import { openApi } from '../../src/cli/api.ts'
import { type Answer, percentile, startCrowd } from '../../src/cli/demo/crowd.ts'
import { drawMoments, type Moment, plainLine, sparkline } from '../../src/cli/demo/picture.ts'
import { readWaiting, requireReady, stockFor } from '../../src/cli/demo/shop.ts'
import { phaseRows, praise, problemsOf, type Story } from '../../src/cli/demo/verdict.ts'
import { until } from '../support/until.ts'
import { type FakeGateway, fakeGateway, orderJson, problem, type Reply, type Seen } from './fake-gateway.ts'

let gateway: FakeGateway | undefined
const closing: (() => void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) close()
  await gateway?.close()
  gateway = undefined
})
async function apiOn(answer: (seen: Seen, count: number) => Reply) {
  gateway = await fakeGateway(answer)
  const api = openApi({ url: gateway.url, patienceMs: 0 })
  closing.push(() => api.close())
  return api
}

const answer = (orderId: string, more: Partial<Answer> = {}): Answer => ({
  kind: 'confirmed',
  orderId,
  why: '',
  phase: 'back',
  ms: 10,
  ...more,
})
const order = (id: string, status = 'confirmed') => [id, { ...orderJson({ items: [] }), id, status } as never] as const
/** An outage in which all went well: one order before, one that had to wait, one after. */
const good: Story = {
  service: 'payment',
  answers: [answer('a', { phase: 'all is well' }), answer('b', { kind: 'parked', phase: 'down', ms: 30 }), answer('c')],
  orders: new Map([order('a'), order('b'), order('c')]),
  ...{ downMs: 12_000, drainedMs: 700 },
}

describe('the verdict of an outage', () => {
  it('has nothing to say against one in which all orders were taken and confirmed', () => {
    expect(problemsOf(good)).toEqual([])
    expect(praise(good)).toBe(
      'payment was down for 12.0 s: all 3 orders were taken, 1 of them waited, the queue was empty 700 ms after its return, all are confirmed, the audit is clean',
    )
    expect(phaseRows(good)[1]).toEqual(['payment is down', 1, 0, 1, 0, '30 ms', '30 ms'])
  })

  it.each<[string, Partial<Story>]>([
    ['no order was answered', { answers: [] }],
    [
      '1 orders got neither 201 nor 202 (503 unavailable: no)',
      { answers: [...good.answers, answer('d', { kind: 'failed', why: '503 unavailable: no' })] },
    ],
    ['1 orders were answered and are lost (b)', { orders: new Map([order('a'), order('c')]) }],
    ['1 orders got an id that another has', { answers: [...good.answers, answer('a')] }],
    ['1 orders are pending (b)', { orders: new Map([order('a'), order('b', 'pending'), order('c')]) }],
    ['1 orders are rejected (c)', { orders: new Map([order('a'), order('b'), order('c', 'rejected')]) }],
    ['no order had to wait while payment was down: the outage was not felt', { answers: [answer('a'), answer('b', { kind: 'parked' })] }],
    ['the queue was never empty again', { drainedMs: undefined }],
  ])('says: %s', (words, more) => {
    expect(problemsOf({ ...good, ...more })).toContain(words)
  })
})

describe('the customers', () => {
  it('order at their rate, each with a key of its own, and remember every answer', async () => {
    const replies: Record<number, Reply> = {
      0: { status: 202, body: orderJson({ items: [] }, { id: 'o-parked', status: 'pending' }) },
      1: problem(409, 'out_of_stock', { order_id: 'o-refused' }),
      2: 'hang up',
    }
    const confirmed = (id: string): Reply => ({ status: 201, body: orderJson({ items: [] }, { id }) })
    const api = await apiOn(({ key }) => replies[Number(key?.split('-').at(-1))] ?? confirmed(key ?? ''))
    const crowd = startCrowd(api, { userId: 'demo-x', productId: 'p', perSecond: 100, phase: () => 'down' })
    await until('ten answers', () => crowd.answers.length >= 10)
    await crowd.stop()
    const sent = gateway?.orders() ?? []
    expect([crowd.open(), crowd.answers.length]).toEqual([0, sent.length])
    expect(new Set(sent.map(({ key }) => key)).size).toBe(sent.length)
    expect(sent[0]?.body).toMatchObject({ user_id: 'demo-x', items: [{ product_id: 'p', quantity: 1 }] })
    const others = crowd.answers.filter(({ kind }) => kind !== 'confirmed')
    expect(others.map(({ kind, orderId }) => `${kind} ${orderId}`).sort()).toEqual([
      'failed o-refused',
      'failed undefined',
      'parked o-parked',
    ])
  })
})

describe('the picture', () => {
  const moment = (more: Partial<Moment>): Moment => ({
    phase: 'down',
    placed: 40,
    confirmed: 0,
    parked: 40,
    waiting: 0,
    drained: 0,
    failed: 0,
    ...more,
  })
  const plain = { bold: String, green: String, yellow: String, magenta: String, cyan: String, dim: String, red: String } as never

  it('has a bar a moment, as tall as it is beside the tallest', () => {
    expect(sparkline([0, 1, 4, 8])).toBe(' ▁▄█')
    expect(sparkline([])).toBe('')
    expect(sparkline([0, 0])).toBe('  ')
  })

  it('shows the phases under the bars, and failures', () => {
    const lines = drawMoments(
      'payment is down',
      [moment({ phase: 'all is well' }), moment({ waiting: 1_234 }), moment({ failed: 1, phase: 'back' })],
      plain,
    )
    expect(lines[0]).toBe('payment is down')
    expect(lines.find((line) => line.startsWith('waiting'))).toMatch(/ █ {2,}0$/)
    expect(lines.at(-2)?.trim()).toBe('·x+')
    expect(lines.at(-1)).toContain('neither 201 nor 202')
  })

  it('is a line of numbers without a terminal', () => {
    expect(plainLine('payment is down', moment({ waiting: 1_234 })).replace(/ +/g, ' ')).toBe(
      'payment is down 40 placed/s 0 confirmed/s 40 parked/s 1,234 waiting 0 drained/s',
    )
  })

  it('tells percentiles by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect([percentile(values, 0.5), percentile(values, 0.99), percentile([7], 0.99), percentile([], 0.5)]).toEqual([50, 99, 7, 0])
  })
})

describe('before the outage', () => {
  it('its product is made, or gets what it lacks', async () => {
    const missing = await apiOn(({ method }) => (method === 'GET' ? problem(404, 'not_found') : { status: 201, body: {} }))
    await stockFor(missing, { orders: 50, receiptId: 'r1' })
    expect(gateway?.seen.at(-1)).toMatchObject({ path: '/products', body: { id: 'demo-outage', stock: [{ on_hand: 50 }] } })
    await gateway?.close()
    const short = await apiOn(() => ({ status: 200, body: { available: 20 } }))
    await stockFor(short, { orders: 50, receiptId: 'r1' })
    expect(gateway?.seen.at(-1)).toMatchObject({ path: '/products/demo-outage/receive', body: { quantity: 30, receipt_id: 'r1' } })
  })

  it('the system must be well, and without faults', async () => {
    const ready = { status: 200, body: { services: { orders: 'ready', payment: 'ready' } } }
    const down = await apiOn(() => ({ status: 200, body: { services: { orders: 'ready', payment: "can't be reached" } } }))
    await expect(requireReady(down)).rejects.toThrow("not all is well yet: payment can't be reached")
    await gateway?.close()
    const faulty = await apiOn(({ path }) => (path === '/readyz' ? ready : { status: 200, body: { faults: [{ service: 'payment' }] } }))
    await expect(requireReady(faulty)).rejects.toThrow('faults are set already')
    await gateway?.close()
    const off = await apiOn(({ path }) => (path === '/readyz' ? ready : problem(404, 'faults_off')))
    await expect(requireReady(off)).rejects.toThrow('faults_off')
  })

  it('what waits is the sum over all that is waited for', async () => {
    const api = await apiOn(() => ({ status: 200, body: { parked: [{ count: 3 }, { count: 4 }] } }))
    expect(await readWaiting(api)).toBe(7)
  })
})
