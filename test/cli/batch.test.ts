import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { comanda, type FakeGateway, fakeGateway, orderJson, problem, type Reply, type Seen } from './fake-gateway.ts'

let dir: string
let gateway: FakeGateway
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'comanda-batch-'))
})
afterEach(async () => {
  await gateway?.close()
  rmSync(dir, { recursive: true, force: true })
})

const confirm = (seen: Seen): Reply => ({ status: 201, body: orderJson(seen.body) })
const line = (user_id: string) => JSON.stringify({ user_id, items: [{ product_id: 'a1', quantity: 1 }], payment_method: 'credit_card' })

function file(name: string, lines: string[]): string {
  const path = join(dir, name)
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

/** Answers by the order's user: his name is what becomes of him. */
async function listen(answers: Record<string, (seen: Seen, count: number) => Reply>): Promise<void> {
  gateway = await fakeGateway((seen, count) => (answers[String(seen.body.user_id)] ?? answers.default ?? confirm)(seen, count))
}

async function batch(path: string, ...more: string[]) {
  const out = join(dir, 'results.ndjson')
  const ran = await comanda('batch', path, '--url', gateway.url, '--no-progress', '--out', out, ...more)
  const results = readFileSync(out, 'utf8')
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((text) => JSON.parse(text))
  return { ...ran, results: results.sort((a, b) => a.line - b.line) }
}

/** The number in the table's row with this title. */
function counted(table: string, title: string): string | undefined {
  const found = table.split('\n').find((row) => row.split('│')[1]?.trim() === title)
  return found?.split('│')[2]?.trim()
}

describe('comanda batch', () => {
  it('sends each order with its key and shows them confirmed', async () => {
    await listen({})
    const { code, out, results } = await batch(file('o.ndjson', ['a', 'b', 'c'].map(line)), '--wait', '3')
    expect(code).toBe(0)
    expect(counted(out, 'confirmed')).toBe('3')
    expect(
      gateway
        .orders()
        .map((seen) => seen.body.user_id)
        .sort(),
    ).toEqual(['a', 'b', 'c'])
    expect(new Set(gateway.orders().map((seen) => seen.key)).size).toBe(3)
    expect(gateway.orders()[0]).toMatchObject({ prefer: 'wait=3', key: expect.stringMatching(/^batch-/) })
    expect(results[0]).toEqual({
      line: 1,
      key: expect.stringMatching(/^batch-/),
      http_status: 201,
      outcome: 'confirmed',
      order_id: '0199d3c2-0000-7000-8000-000000000001',
      total_minor: 1234,
      currency: 'EUR',
      code: null,
      detail: null,
      ms: expect.any(Number),
    })
  })

  it('counts refusals of the business by their reason, and calls that no failure', async () => {
    await listen({
      broke: () => problem(402, 'payment_declined', { order_id: 'o1' }),
      late: () => problem(409, 'out_of_stock', { order_id: 'o2' }),
    })
    const { code, out, results } = await batch(file('o.ndjson', ['ok', 'late', 'broke', 'late'].map(line)))
    expect(code).toBe(0)
    expect(counted(out, 'rejected: out_of_stock')).toBe('2')
    expect(counted(out, 'rejected: payment_declined')).toBe('1')
    expect(results[2]).toMatchObject({
      outcome: 'rejected',
      http_status: 402,
      order_id: 'o1',
      code: 'payment_declined',
      detail: 'it is payment_declined',
    })
  })

  it('fails when the gateway finds the input bad, naming the line and the field', async () => {
    await listen({
      bad: () => problem(400, 'invalid_request', { errors: [{ field: 'items.0.quantity', message: 'must be <= 1000' }] }),
      gone: () => problem(422, 'unknown_product'),
    })
    const { code, out, err } = await batch(file('o.ndjson', ['ok', 'bad', 'gone'].map(line)))
    expect(code).toBe(1)
    expect(counted(out, 'failed: invalid_request')).toBe('1')
    expect(counted(out, 'failed: unknown_product')).toBe('1')
    expect(err).toContain('line 2: items.0.quantity must be <= 1000')
  })

  it('asks for pending orders until their end is known', async () => {
    let asked = 0
    await listen({
      slow: (seen) => ({ status: 202, body: orderJson(seen.body, { status: 'pending', id: 'slow' }), headers: { 'retry-after': '1' } }),
      default: (seen) => {
        if (seen.path !== '/orders/slow') return confirm(seen)
        return {
          status: 200,
          body: orderJson(
            { items: [] },
            {
              id: 'slow',
              ...(++asked < 3 ? { status: 'pending' } : { status: 'rejected', rejection: { code: 'out_of_stock', message: 'none left' } }),
            },
          ),
        }
      },
    })
    const { code, out, results } = await batch(file('o.ndjson', ['slow', 'ok'].map(line)))
    expect(code).toBe(0)
    expect(asked).toBe(3)
    expect(counted(out, 'pending')).toBe('0')
    expect(counted(out, 'rejected: out_of_stock')).toBe('1')
    expect(results[0]).toMatchObject({ line: 1, outcome: 'rejected', code: 'out_of_stock', order_id: 'slow' })
  })

  it('leaves orders pending when the time to settle is over', async () => {
    await listen({ slow: (seen) => ({ status: 202, body: orderJson(seen.body, { status: 'pending', id: 'slow' }) }) })
    const { code, out, results } = await batch(file('o.ndjson', [line('slow')]), '--settle', '0')
    expect(code).toBe(0)
    expect(counted(out, 'pending')).toBe('1')
    expect(results[0]).toMatchObject({ outcome: 'pending', http_status: 202 })
  })

  it('tries again with the same key after 503 and after a broken connection', async () => {
    await listen({
      busy: (seen, count) => (count < 3 ? { status: 503, headers: { 'retry-after': '0' } } : confirm(seen)),
      torn: (seen, count) => (count < 2 ? 'hang up' : confirm(seen)),
    })
    const { code, out } = await batch(file('o.ndjson', ['busy', 'torn'].map(line)), '--single')
    expect(code).toBe(0)
    expect(counted(out, 'confirmed')).toBe('2')
    const keysOf = (user: string) =>
      gateway
        .orders()
        .filter((seen) => seen.body.user_id === user)
        .map((seen) => seen.key)
    expect([keysOf('busy').length, new Set(keysOf('busy')).size]).toEqual([3, 1])
    expect([keysOf('torn').length, new Set(keysOf('torn')).size]).toEqual([2, 1])
  })

  it('sends what a broken stream left open again, with the same keys, in another stream', async () => {
    await listen({ torn: (seen, count) => (count < 3 ? 'hang up' : confirm(seen)) })
    const users = Array.from({ length: 40 }, (_, i) => (i === 20 ? 'torn' : `u${i}`))
    const { code, out, results } = await batch(file('o.ndjson', users.map(line)))
    expect(code).toBe(0)
    expect(counted(out, 'confirmed')).toBe('40')
    expect(new Set(gateway.orders().map((seen) => seen.key)).size).toBe(40)
    expect(results.map((result) => result.line)).toEqual(users.map((_, i) => i + 1))
  })

  it('takes the refusal of the whole stream as the answer to each order', async () => {
    gateway = await fakeGateway(() => problem(404, 'not_found'), { bulk: 'missing' })
    const { code, out } = await batch(file('o.ndjson', ['a', 'b'].map(line)))
    expect(code).toBe(1)
    expect(counted(out, 'failed: not_found')).toBe('2')
  })

  it('does not try again what was refused for good, nor after an error of the server', async () => {
    await listen({ bad: () => problem(400, 'invalid_request'), broken: () => problem(500, 'internal') })
    const { code, out } = await batch(file('o.ndjson', ['bad', 'broken'].map(line)))
    expect(code).toBe(1)
    expect(gateway.orders().length).toBe(2)
    expect(counted(out, 'failed: internal')).toBe('1')
  })

  it('reports a bad line in the middle by its number, sends the rest and fails', async () => {
    await listen({})
    const { code, out, err, results } = await batch(
      file('o.csv', ['user_id,product_id,quantity,payment_method', 'a,a1,1,paypal', 'b,a1,x,paypal', 'c,a1,1,paypal']),
    )
    expect(code).toBe(1)
    expect(err).toContain('line 3: quantity is "x", but must be a whole number')
    expect([counted(out, 'confirmed'), counted(out, 'failed: bad line')]).toEqual(['2', '1'])
    expect(results[1]).toMatchObject({ line: 3, key: null, http_status: null, outcome: 'bad_line' })
  })

  it('sends the same keys when the file is sent again, and says that they were sent earlier', async () => {
    await listen({})
    const path = file('o.ndjson', ['a', 'a', 'b'].map(line))
    await batch(path)
    const first = gateway
      .orders()
      .map((seen) => seen.key)
      .sort()
    const { out } = await batch(path)
    expect(
      gateway
        .orders()
        .map((seen) => seen.key)
        .slice(3)
        .sort(),
    ).toEqual(first)
    expect(new Set(first).size).toBe(3)
    // The fake's order id is a UUIDv7 of the past.
    expect(counted(out, 'of these, sent earlier')).toBe('3')
    await batch(path, '--key-prefix', 'other-')
    expect(gateway.orders().at(-1)?.key).toMatch(/^other-/)
  })

  it('stops with one clear line when there is no gateway, and reads no further', async () => {
    gateway = await fakeGateway(confirm)
    await gateway.close()
    const { code, out, err } = await comanda('batch', file('o.ndjson', [line('a')]), '--url', gateway.url)
    expect(code).toBe(1)
    expect(out).toBe('')
    expect(err).toMatch(/^comanda: no answer from http:\S+: connection refused; start the system with "npm start".*\n$/)
  })

  it('stops reading when the gateway is gone for good, and says how to go on', async () => {
    gateway = await fakeGateway((seen) => (Number(seen.body.user_id) < 5 ? confirm(seen) : 'hang up'))
    const path = file(
      'o.ndjson',
      Array.from({ length: 500 }, (_, i) => line(String(i))),
    )
    const { code, out, err, results } = await batch(path, '--concurrency', '2', '--patience', '0', '--single')
    expect(code).toBe(1)
    expect(counted(out, 'confirmed')).toBe('5')
    expect(results.length).toBeLessThan(40)
    expect(err).toMatch(/does not answer any more: stopped at line 2\d; run the same command again/)
  })

  it('keeps no more orders in flight than it was told', async () => {
    let [now, most] = [0, 0]
    gateway = await fakeGateway(async (seen) => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setImmediate(resolve))
      now--
      return confirm(seen)
    })
    await batch(
      file(
        'o.ndjson',
        Array.from({ length: 50 }, (_, i) => line(`u${i}`)),
      ),
      '--concurrency',
      '4',
    )
    expect(gateway.orders().length).toBe(50)
    expect(most).toBeLessThanOrEqual(4)
    expect(most).toBeGreaterThan(1)
  })

  it('finishes what is in flight after Ctrl-C, shows the table and exits with 130', async () => {
    await listen({
      b: (seen) => {
        process.emit('SIGINT')
        return confirm(seen)
      },
    })
    const { code, out, err, results } = await batch(file('o.ndjson', ['a', 'b', 'c', 'd'].map(line)), '--concurrency', '1')
    expect(code).toBe(130)
    expect(results.map((result) => result.line)).toEqual([1, 2])
    expect(counted(out, 'confirmed')).toBe('2')
    expect(err).toContain('run the same command again')
  })

  it('reads and reports only, when dry', async () => {
    await listen({})
    const { code, out, err } = await comanda('batch', file('o.ndjson', [line('a'), 'oops', line('b')]), '--url', gateway.url, '--dry-run')
    expect([code, gateway.seen.length]).toEqual([1, 0])
    expect([counted(out, 'orders'), counted(out, 'bad lines')]).toEqual(['2', '1'])
    expect(err).toMatch(/^line 2: not JSON/)
  })

  it.each([
    [['batch'], /missing required argument 'file'/],
    [['batch', 'x', '--concurrency', '0'], /whole number of 1 or more/],
    [['batch', 'x', '--format', 'xml'], /Allowed choices are json, ndjson, csv/],
    [['batch', 'x', '--concurency', '4'], /Did you mean --concurrency/],
    [['bach', 'x'], /unknown command 'bach' \(Did you mean batch\?\)/],
    [['batch', 'x', '--url', 'localhost:8000'], /is not a http/],
  ])('calls %j wrong usage', async (args, wanted) => {
    const { code, err } = await comanda(...args.map((arg) => (arg === 'x' ? file('o.ndjson', [line('a')]) : arg)))
    expect(code).toBe(2)
    expect(err).toMatch(wanted)
  })

  it('says what is wrong with a file that is missing or a folder', async () => {
    expect((await comanda('batch', join(dir, 'none.csv'))).err).toMatch(/^comanda: there is no file \S+none.csv\n$/)
    expect((await comanda('batch', dir)).err).toMatch(/is a folder/)
  })
})
