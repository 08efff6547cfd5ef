import { afterEach, describe, expect, it } from 'vitest'
import { comanda, type FakeGateway, fakeGateway, problem, type Reply, type Seen } from './fake-gateway.ts'

let gateway: FakeGateway
afterEach(() => gateway.close())

async function against(answer: (seen: Seen, count: number) => Reply, ...args: string[]) {
  gateway = await fakeGateway(answer)
  return comanda(...args, '--url', gateway.url)
}
const bodies = () => gateway.seen.map(({ path, body }) => [path, body])
const queue = {
  parked: [
    { service: 'payment', work: 'place', count: 2_000, oldest_since: '2026-01-01T00:00:00Z', next_try_at: null, service_is_down: true },
  ],
  dead_letters: 3,
  broker: { is_up: true, queues: [{ name: 'orders.parked.payment', ready: 1_990, delayed: 0, in_flight: 10, dead: 1 }] },
}

describe('comanda queue', () => {
  it('shows what waits, for whom, and how the broker is', async () => {
    const { code, out } = await against(() => ({ status: 200, body: queue }), 'queue')
    expect(code).toBe(0)
    for (const word of ['payment', 'down', 'place', '2,000', 'broker up', '1 dead', '3 on the dead-letter desk'])
      expect(out).toContain(word)
  })

  it('watches until nothing waits any more', async () => {
    const { code, out } = await against(
      (_, count) => ({ status: 200, body: count === 1 ? queue : { ...queue, parked: [] } }),
      'queue',
      'watch',
    )
    expect(code).toBe(0)
    expect(out).toContain('2,000')
    expect(out).toContain('no order waits')
  })
})

describe('comanda queue dead', () => {
  it('shows the desk, filtered', async () => {
    const letter = {
      order_id: 'o1',
      status: 'cancelled',
      work: 'undo',
      service: 'payment',
      dead_since: 'now',
      dead_reason: 'refused',
      last_error: 'odd',
      attempts: 10,
    }
    const { out } = await against(
      () => ({ status: 200, body: { dead_letters: [letter], next: null } }),
      'queue',
      'dead',
      '--service',
      'payment',
      '--why',
      'refused',
    )
    for (const word of ['o1', 'undo', 'refused', 'odd', '10']) expect(out).toContain(word)
    expect(gateway.seen[0]?.path).toBe('/dead-letters?service=payment&dead_reason=refused&limit=50')
  })
})

describe('comanda queue retry and cancel', () => {
  const resolved = (orders: string[], more = false) => ({
    status: 200,
    body: { dry_run: false, count: orders.length, orders, refused: [], more },
  })

  it('needs a reason, and ids or --all', async () => {
    expect((await against(() => resolved([]), 'queue', 'retry', 'o1')).code).toBe(2)
    await gateway.close()
    expect((await against(() => resolved([]), 'queue', 'retry', '--reason', 'x')).code).toBe(2)
    await gateway.close()
    expect((await against(() => resolved([]), 'queue', 'cancel', 'o1', '--all', '--reason', 'x')).code).toBe(2)
    expect(gateway.seen).toEqual([])
  })

  it('of some says who and why, and names those that could not be', async () => {
    const { code, out, err } = await against(
      ({ path }) => (path.includes('o2') ? problem(409, 'not_dead') : { status: 202, body: { id: 'o1' } }),
      ...['queue', 'retry', 'o1', 'o2', '--reason', 'mended', '--actor', 'ana'],
    )
    expect(code).toBe(1)
    expect(out).toBe('1 retried\n')
    expect(err).toContain('o2: not_dead')
    expect(bodies()).toEqual([
      ['/dead-letters/o1/retry', { actor: 'ana', reason: 'mended' }],
      ['/dead-letters/o2/retry', { actor: 'ana', reason: 'mended' }],
    ])
  })

  it('of all goes on until there are no more; a dry run asks once', async () => {
    const { out } = await against(
      (_, count) => resolved([`o${count}`], count < 3),
      ...['queue', 'cancel', '--all', '--work', 'place', '--reason', 'late', '--actor', 'ana'],
    )
    expect(out).toBe('3 cancelled\n')
    expect(bodies()[0]).toEqual(['/dead-letters/cancel', { actor: 'ana', reason: 'late', filter: { work: 'place' }, dry_run: false }])
    await gateway.close()
    const dry = await against(
      () => ({ status: 200, body: { ...resolved(['o1', 'o2'], true).body, dry_run: true } }),
      ...['queue', 'retry', '--all', '--dry-run', '--reason', 'x'],
    )
    expect(dry.out).toBe('2 would be retried\n')
    expect(gateway.seen.length).toBe(1)
  })
})

describe('comanda order explain', () => {
  it('tells the story of an order', async () => {
    const body = {
      summary: 'It waits for payment.',
      happened: [{ at: 'noon', text: 'It was taken.' }],
      waits_for: 'payment',
      next: 'It goes on by itself.',
      next_at: null,
    }
    const { out } = await against(() => ({ status: 200, body }), 'order', 'explain', 'o1')
    expect(out).toBe('It waits for payment.\nnoon  It was taken.\nNext: It goes on by itself.\n')
  })
})
