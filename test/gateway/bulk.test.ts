import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { FRESH_MS, keyMemory } from '../../src/gateway/access/key-memory.ts'
import type { PlaceOrderCommand } from '../../src/gen/comanda/v1/orders.ts'
import { type Answer, done, refused } from '../../src/platform/outcome.ts'
import { BODY, gatewayWith, orderOf } from './fakes.ts'
import { keyRing } from './keys.ts'

type Gateway = Awaited<ReturnType<typeof gatewayWith>>
let app: Gateway
afterEach(() => app?.close())

type Placed = { accepted: Answer<ReturnType<typeof orderOf>>; ended: Promise<ReturnType<typeof orderOf> | undefined> }

/** A gateway whose orders end as `end` says, by default confirmed at once; and the commands it placed. */
async function gatewayThat(
  end: (command: PlaceOrderCommand) => Placed | Promise<Placed> = confirmed,
  more: Parameters<typeof gatewayWith>[1] = {},
) {
  const placed: PlaceOrderCommand[] = []
  const clients: Parameters<typeof gatewayWith>[0] = {
    placeOrder: async (command) => {
      placed.push(command)
      return end(command)
    },
    getOrder: async (orderId) => orderOf({ orderId }),
  }
  app = await gatewayWith(clients, more)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { placed, port: (app.server.address() as AddressInfo).port }
}
const confirmed = (command: PlaceOrderCommand): Placed => {
  const order = orderOf(command, { status: 'confirmed', userId: command.userId })
  return { accepted: done(order), ended: Promise.resolve(order) }
}

async function send(lines: string[], headers: Record<string, string> = {}) {
  const response = await app.inject({
    method: 'POST',
    url: '/orders/bulk',
    headers: { 'content-type': 'application/x-ndjson', ...headers },
    payload: lines.join('\n'),
  })
  const answers = response.body
    .split('\n')
    .filter(Boolean)
    .map((text) => JSON.parse(text))
  return { response, answers: answers.sort((a, b) => a.line - b.line) }
}
const line = (user: string, more: object = {}) => JSON.stringify({ ...BODY, user_id: user, ...more })

it('answers each line with what POST /orders would have answered', async () => {
  const { placed } = await gatewayThat((command) => {
    if (command.userId === 'nothing')
      return { accepted: refused('unknown_product', 'there is no product a1'), ended: Promise.resolve(undefined) }
    if (command.userId === 'short') {
      const order = orderOf(command, { status: 'rejected', rejection: { code: 'out_of_stock', message: 'only 1 left' } })
      return { accepted: done(order), ended: Promise.resolve(order) }
    }
    return confirmed(command)
  })
  const { response, answers } = await send([line('u1'), line('short'), line('nothing'), line('u2', { idempotency_key: 'k-1' })])
  expect(response.statusCode).toBe(200)
  expect(response.headers['content-type']).toBe('application/x-ndjson')
  expect(answers.map(({ line, status }) => [line, status])).toEqual([
    [1, 201],
    [2, 409],
    [3, 422],
    [4, 201],
  ])
  expect(answers[0].order).toMatchObject({ user_id: 'u1', status: 'confirmed' })
  expect(answers[1].problem).toMatchObject({ code: 'out_of_stock', detail: 'only 1 left', order_id: expect.any(String) })
  expect(placed.map((command) => command.idempotencyKey)).toEqual(['', '', '', 'k-1'])
  expect(placed[3]?.fingerprint.length).toBe(32)
})

it('names bad lines by number and goes on; nothing of them is placed', async () => {
  const { placed } = await gatewayThat()
  const { answers } = await send([
    line('u1'),
    '{"user_id":',
    line('u2', { quantity: 3 }),
    '',
    line('u3', { idempotency_key: 'with space' }),
    '{"__proto__":{}}',
    '[1]',
    'x'.repeat(70_000),
    line('u4'),
  ])
  expect(answers.map(({ line, status, problem }) => [line, status, problem?.code])).toEqual([
    [1, 201, undefined],
    [2, 400, 'invalid_json'],
    [3, 400, 'invalid_request'],
    [5, 400, 'invalid_request'],
    [6, 400, 'invalid_json'],
    [7, 400, 'invalid_request'],
    [8, 413, 'body_too_large'],
    [9, 201, undefined],
  ])
  expect(answers[2].problem.errors).toEqual([{ field: 'quantity', message: 'is not known' }])
  expect(answers[3].problem.detail).toContain('idempotency_key must be 1 to 255 visible ASCII characters')
  expect(placed.map((command) => command.userId)).toEqual(['u1', 'u4'])
})

it('takes nothing but NDJSON', async () => {
  await gatewayThat()
  const { response } = await send([line('u1')], { 'content-type': 'application/json' })
  expect(response.statusCode).toBe(415)
  expect(response.json().code).toBe('unsupported_media_type')
})

/** A client that sends lines as it likes, and what it has seen: "line status". */
function streaming(port: number, headers: Record<string, string> = {}) {
  const client = httpRequest({
    ...{ port, host: '127.0.0.1', path: '/orders/bulk', method: 'POST' },
    headers: { 'content-type': 'application/x-ndjson', ...headers },
  })
  const seen: string[] = []
  const ended = new Promise<void>((resolve) => {
    client.on('response', (response) => {
      let rest = ''
      response.on('data', (chunk) => {
        const parts = (rest + chunk).split('\n')
        rest = parts.pop() ?? ''
        seen.push(...parts.map((part) => `${JSON.parse(part).line} ${JSON.parse(part).status}`))
      })
      response.on('end', resolve)
    })
  })
  const got = async (count: number) => {
    while (seen.length < count) await new Promise((resolve) => setImmediate(resolve))
  }
  return { client, seen, ended, got }
}

it('answers while the client still sends, and a slow order holds up no other', async () => {
  const slow = Promise.withResolvers<ReturnType<typeof orderOf>>()
  const { port } = await gatewayThat(
    (command) => (command.userId === 'slow' ? { accepted: done(orderOf(command)), ended: slow.promise } : confirmed(command)),
    { waitMs: 30_000 },
  )
  const { client, seen, ended, got } = streaming(port)
  client.write(`${line('slow')}\n${line('u1')}\n`)
  await got(1)
  expect(seen).toEqual(['2 201'])
  client.write(`${line('u2')}\n`)
  await got(2)
  slow.resolve(orderOf({ orderId: '0199d3c2-0000-7000-8000-000000000009' }, { status: 'confirmed' }))
  await got(3)
  client.end()
  await ended
  expect(seen).toEqual(['2 201', '3 201', '1 201'])
})

it('takes no more of a stream whose key was revoked in the middle', async () => {
  const ring = keyRing()
  let now = 0
  const keys = keyMemory({ verify: ring.verify, staleMs: 60_000, now: () => now })
  const { port, placed } = await gatewayThat(confirmed, { access: { keys, docsAreOpen: false } })
  const { client, seen, ended, got } = streaming(port, ring.key(['orders:write']))
  client.write(`${line('u1')}\n`)
  await got(1)
  ring.revokeAll()
  client.write(`${line('u2')}\n`)
  await got(2)
  now += FRESH_MS
  client.end(`${line('u3')}\n`)
  await ended
  expect(seen).toEqual(['1 201', '2 201', '3 401'])
  expect(placed.map(({ userId }) => userId)).toEqual(['u1', 'u2'])
})

it('reads no more lines than it may have in hand', async () => {
  const release = Promise.withResolvers<void>()
  const { placed } = await gatewayThat(async (command) => {
    await release.promise
    return confirmed(command)
  })
  const sent = send(Array.from({ length: 3_000 }, (_, i) => line(`u${i}`)))
  while (placed.length < 1_024) await new Promise((resolve) => setImmediate(resolve))
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(placed.length).toBe(1_024)
  release.resolve()
  const { answers } = await sent
  expect(answers.length).toBe(3_000)
  expect(new Set(answers.map((answer) => answer.line)).size).toBe(3_000)
})

it('a client that goes away leaves nothing behind that waits', async () => {
  const { port, placed } = await gatewayThat()
  const client = httpRequest({
    port,
    host: '127.0.0.1',
    path: '/orders/bulk',
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
  })
  client.on('error', () => {})
  client.write(`${line('u1')}\n`)
  while (placed.length < 1) await new Promise((resolve) => setImmediate(resolve))
  client.destroy()
  await app.close() // hangs, and fails the test, when the request is still open
})
