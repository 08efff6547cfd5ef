import { afterEach, describe, expect, it } from 'vitest'
import { comanda, type FakeGateway, fakeGateway, problem, type Reply, type Seen } from './fake-gateway.ts'

let gateway: FakeGateway
afterEach(() => gateway.close())

const fault = {
  ...{ id: 'f1', service: 'payment', kind: 'unavailable', method: null, rate: 1, latency_ms: null, count: null },
  ...{ struck: 3, ends_in_ms: 29_500 },
}

async function against(answer: (seen: Seen) => Reply, ...args: string[]) {
  gateway = await fakeGateway(answer)
  return comanda('fault', ...args, '--url', gateway.url)
}

describe('comanda fault', () => {
  it('sets one, for 30 s when nothing is said', async () => {
    const { code, out } = await against(() => ({ status: 201, body: fault }), 'payment', 'unavailable')
    expect([code, out]).toEqual([0, 'payment: unavailable for all calls; over in 29.5 s\n'])
    expect(gateway.seen).toMatchObject([
      { method: 'POST', path: '/faults', body: { service: 'payment', kind: 'unavailable', for_ms: 30_000, rate: 1 } },
    ])
  })

  it('takes times, a share, a method and a count', async () => {
    const set = { ...fault, kind: 'latency', rate: 0.5, latency_ms: 800, count: 4, method: 'VoidPayments' }
    const options = ['--for', '1.5m', '--rate', '.5', '--latency', '800ms', '--count', '4', '--method', 'VoidPayments']
    const { out } = await against(() => ({ status: 201, body: set }), 'payment', 'latency', ...options)
    expect(out).toBe('payment: latency of 800 ms for 50% of VoidPayments calls, 4 at most; over in 29.5 s\n')
    expect(gateway.seen[0]?.body).toEqual({
      ...{ service: 'payment', kind: 'latency', for_ms: 90_000, rate: 0.5, method: 'VoidPayments', latency_ms: 800, count: 4 },
    })
  })

  it.each([
    ['gateway', 'unavailable'],
    ['payment', 'sabotage'],
    ['payment', 'error', '--for', '30'],
    ['payment', 'error', '--for', '0s'],
    ['payment', 'error', '--rate', '0'],
    ['payment', 'error', '--rate', '1.1'],
    ['payment', 'error', '--count', '0'],
    ['payment'],
  ])('refuses %s %s %s %s before anything is sent', async (...args) => {
    const { code } = await against(() => ({ status: 500 }), ...args.filter((arg) => arg !== undefined))
    expect([code, gateway.seen]).toEqual([2, []])
  })

  it('lists what is set, and who could not be asked', async () => {
    const { out, err } = await against(() => ({ status: 200, body: { faults: [fault], unreachable: ['orders'] } }), 'list')
    for (const word of ['payment', 'unavailable', 'all', '3', '29.5 s']) expect(out).toContain(word)
    expect(err).toContain('Could not be asked: orders')
  })

  it('says that none is set', async () => {
    expect((await against(() => ({ status: 200, body: { faults: [], unreachable: [] } }), 'list')).out).toBe('No faults are set.\n')
  })

  it('clears those of a service', async () => {
    const { out } = await against(() => ({ status: 200, body: { cleared: 2, unreachable: [] } }), 'clear', 'payment')
    expect(out).toBe('2 faults cleared.\n')
    expect(gateway.seen).toMatchObject([{ method: 'DELETE', path: '/faults?service=payment' }])
  })

  it('says that faults are off', async () => {
    const { code, err } = await against(() => problem(404, 'faults_off'), 'payment', 'error')
    expect([code, err]).toEqual([1, 'comanda: faults_off: it is faults_off\n'])
  })
})
