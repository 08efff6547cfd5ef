import * as http from 'node:http'
import * as https from 'node:https'
import { linesOf } from '../../platform/lines.ts'
import { type HttpAnswer, parseUrl, readBody, reason, withKey } from '../api.ts'
import { type Patience, Unreachable } from '../patience.ts'
import type { OrderBody } from '../wire.ts'

/** Places one order: what POST /orders answers. The same key sends nothing twice. */
export type Place = (order: OrderBody, key: string) => Promise<HttpAnswer>

export type BulkOptions = {
  url: string
  prefer: string | undefined
  /** An order that is not answered in this time ends the stream; all that are open are sent again in another. */
  timeoutMs: number
  patience: Patience
}

/** Orders through POST /orders/bulk: one stream for all, and another when it breaks. */
export function bulkPlacer(options: BulkOptions): { place: Place; close(): void } {
  let stream: OrderStream | undefined
  return {
    place: (order, key) =>
      options.patience.tryAgain(() => {
        if (!stream?.isOpen()) stream = openStream(options)
        return stream.place(order, key)
      }),
    close: () => stream?.end(),
  }
}

type Waiting = { resolve(answer: HttpAnswer): void; reject(error: Error): void; since: number }
type OrderStream = { place: Place; isOpen(): boolean; end(): void }

const LONGEST_ANSWER_BYTES = 1024 * 1024
const LOOK_EVERY_MS = 1_000

function openStream({ url, prefer, timeoutMs }: BulkOptions): OrderStream {
  const base = parseUrl(url)
  const transport = base.protocol === 'https:' ? https : http
  const waiting = new Map<number, Waiting>()
  let lines = 0
  let unsent: string[] = []
  let isOpen = true

  const request = transport.request({
    method: 'POST',
    path: `${base.pathname.replace(/\/$/, '')}/orders/bulk`,
    host: base.hostname.replace(/^\[|\]$/g, ''),
    port: base.port,
    headers: { 'content-type': 'application/x-ndjson', accept: 'application/x-ndjson', ...withKey(), ...(prefer && { prefer }) },
    agent: false,
  })
  const over = (error: unknown) => {
    isOpen = false
    clearInterval(watch)
    request.destroy()
    const lost = new Unreachable(`no answer from ${url}: ${reason(error)}`)
    for (const one of waiting.values()) one.reject(lost)
    waiting.clear()
  }
  const watch = setInterval(() => {
    const [oldest] = waiting.values()
    if (oldest && performance.now() - oldest.since > timeoutMs) over(new Error(`no answer in ${timeoutMs / 1000} s`))
  }, LOOK_EVERY_MS)
  request.on('error', over)
  request.on('response', (response) => {
    const read = response.statusCode === 200 ? readAnswers(response) : readRefusal(response)
    read.then(() => over(new Error('the stream ended')), over)
  })

  async function readAnswers(response: http.IncomingMessage): Promise<void> {
    for await (const { text } of linesOf(response, LONGEST_ANSWER_BYTES)) {
      const { line, status, order, problem } = JSON.parse(text) as { line: number; status: number; order?: unknown; problem?: unknown }
      waiting.get(line)?.resolve({ status, headers: {}, body: order ?? problem })
      waiting.delete(line)
    }
  }

  /** The stream as a whole was not taken: that is the answer to each of its orders. */
  async function readRefusal(response: http.IncomingMessage): Promise<void> {
    isOpen = false
    const answer = { status: response.statusCode ?? 0, headers: response.headers, body: await readBody(response) }
    for (const one of waiting.values()) one.resolve(answer)
    waiting.clear()
  }

  // What one turn of the event loop brings together travels together.
  const flush = () => {
    if (isOpen) request.write(unsent.join(''))
    unsent = []
  }

  return {
    place: (order, key) =>
      new Promise((resolve, reject) => {
        waiting.set(++lines, { resolve, reject, since: performance.now() })
        if (unsent.push(`${JSON.stringify({ ...order, idempotency_key: key })}\n`) === 1) setImmediate(flush)
      }),
    isOpen: () => isOpen,
    end() {
      clearInterval(watch)
      request.end()
    },
  }
}
