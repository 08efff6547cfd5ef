import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { run } from '../../src/cli/main.ts'
import { linesOf } from '../../src/platform/lines.ts'
import { httpServer } from '../support/http-server.ts'

export type Seen = {
  method: string
  path: string
  key: string | undefined
  prefer: string | undefined
  authorization?: string | undefined
  body: Record<string, unknown>
}
export type Reply = { status: number; body?: unknown; headers?: Record<string, string> } | 'hang up'
export type FakeGateway = { url: string; seen: Seen[]; orders(): Seen[]; close(): Promise<void> }

/** A gateway that answers what `answer` says and remembers what it was asked. */
export async function fakeGateway(
  answer: (seen: Seen, count: number) => Reply | Promise<Reply>,
  { bulk = 'served' }: { bulk?: 'served' | 'missing' } = {},
): Promise<FakeGateway> {
  const seen: Seen[] = []
  const server = httpServer(handle)

  const answered = async (one: Seen): Promise<Reply> => {
    seen.push(one)
    return answer(one, seen.filter((other) => other.key === one.key && other.path === one.path).length)
  }

  /** Each line as if it had come alone; "hang up" breaks the whole stream. */
  async function handleBulk(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const prefer = request.headers.prefer as string | undefined
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    const open: Promise<void>[] = []
    for await (const { line, text } of linesOf(request, 1024 * 1024)) {
      const { idempotency_key: key, ...body } = JSON.parse(text)
      const tell = async () => {
        const reply = await answered({ method: 'POST', path: '/orders', key, prefer, body })
        if (reply === 'hang up') return void response.destroy()
        const what = reply.status < 300 ? { order: reply.body } : { problem: reply.body ?? {} }
        response.write(`${JSON.stringify({ line, status: reply.status, ...what })}\n`)
      }
      open.push(tell())
    }
    await Promise.all(open)
    response.end()
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/orders/bulk') {
      if (bulk === 'served') return handleBulk(request, response).catch(() => {})
      return reply(response, problem(404, 'not_found'))
    }
    let text = ''
    for await (const chunk of request) text += chunk
    const { 'idempotency-key': key, prefer, authorization } = request.headers as Record<string, string | undefined>
    const one = {
      method: request.method ?? '',
      path: request.url ?? '',
      key,
      prefer,
      ...(authorization && { authorization }),
      body: text === '' || request.url === '/orders/bulk' ? {} : JSON.parse(text),
    }
    if (one.path === '/healthz') return reply(response, { status: 200, body: { status: 'ok' } })
    reply(response, await answered(one))
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    orders: () => seen.filter((one) => one.method === 'POST' && one.path === '/orders'),
    close: () => closed(server),
  }
}

function reply(response: ServerResponse, answer: Reply): void {
  if (answer === 'hang up') response.destroy()
  else response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers }).end(JSON.stringify(answer.body ?? {}))
}

function closed(server: Server): Promise<void> {
  const end = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  return end
}

/** An order as the gateway shows it. */
export function orderJson(body: Record<string, unknown>, more: Record<string, unknown> = {}) {
  const { items, ...rest } = body
  return {
    id: '0199d3c2-0000-7000-8000-000000000001',
    status: 'confirmed',
    currency: 'EUR',
    freight_minor: 0,
    total_minor: 1234,
    ...rest,
    items: (items as object[]).map((item) => ({ discount_basis_points: 0, unit_price_minor: 617, amount_minor: 1234, ...item })),
    payment: null,
    shipments: [],
    rejection: null,
    waiting: null,
    created_at: '2026-01-01T00:00:00.000Z',
    ...more,
  }
}

export const problem = (status: number, code: string, more: Record<string, unknown> = {}): Reply => ({
  status,
  body: { title: code, status, code, detail: `it is ${code}`, ...more },
})

/** Runs the program in this process; what it wrote and its exit code. */
export async function comanda(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const written = { out: '', err: '' }
  const output = {
    writeOut: (text: string) => {
      written.out += text
    },
    writeErr: (text: string) => {
      written.err += text
    },
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  }
  const code = await run(args, output)
  return { code, ...written }
}
