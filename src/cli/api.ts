import * as http from 'node:http'
import * as https from 'node:https'
import { apiKeyOf } from '../platform/config.ts'
import { Failure, oneLine } from './failure.ts'
import { type Patience, patience, Unreachable } from './patience.ts'
import { problemOf } from './wire.ts'

export type Call = {
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  body?: unknown
  headers?: Record<string, string>
  /** Tried again only when asking twice does no harm: reads, and writes with a key. */
  isRepeatable?: boolean
}
export type HttpAnswer = { status: number; headers: http.IncomingHttpHeaders; body: unknown }

export type Api = {
  /** Any HTTP answer; throws {@link Unreachable} when none came. */
  send(call: Call): Promise<HttpAnswer>
  /** The body of a 2xx answer; a {@link Failure} with the problem's words for any other. */
  get<T>(path: string): Promise<T>
  post<T>(path: string, body: unknown, headers?: Record<string, string>): Promise<T>
  delete<T>(path: string): Promise<T>
  /** From now on nothing is tried again. */
  stopRetrying(): void
  close(): void
}

export type ApiOptions = { url: string; connections?: number; timeoutMs?: number; patienceMs?: number }

/**
 * A REST client on node:http with kept connections: about half the CPU of fetch per request.
 * Repeatable calls are tried again for `patienceMs`, see patience.ts.
 */
export function openApi({ url, connections = 8, timeoutMs = 20_000, patienceMs = 3_000 }: ApiOptions): Api {
  const base = parseUrl(url)
  const transport = base.protocol === 'https:' ? https : http
  const agent = new transport.Agent({ keepAlive: true, maxSockets: connections, scheduling: 'lifo' })
  const patient: Patience = patience(patienceMs)

  function once(call: Call): Promise<HttpAnswer> {
    const payload = call.body === undefined ? undefined : typeof call.body === 'string' ? call.body : JSON.stringify(call.body)
    const headers: Record<string, string | number> = { accept: 'application/json', ...withKey(), ...call.headers }
    if (payload !== undefined) {
      headers['content-type'] = 'application/json'
      headers['content-length'] = Buffer.byteLength(payload)
    }
    return new Promise((resolve, reject) => {
      const options = {
        method: call.method,
        path: base.pathname.replace(/\/$/, '') + call.path,
        host: base.hostname.replace(/^\[|\]$/g, ''),
        port: base.port,
        headers,
        agent,
      }
      const request = transport.request(options, (response) => {
        readBody(response).then((body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }), reject)
      })
      request.setTimeout(timeoutMs, () => request.destroy(new Error(`no answer in ${timeoutMs / 1000} s`)))
      request.on('error', reject)
      request.end(payload)
    })
  }

  async function send(call: Call): Promise<HttpAnswer> {
    const attempt = () => once(call).catch((error: unknown) => Promise.reject(new Unreachable(`no answer from ${url}: ${reason(error)}`)))
    return (call.isRepeatable ?? call.method !== 'POST') ? patient.tryAgain(attempt) : attempt()
  }

  async function body<T>(call: Call): Promise<T> {
    const answer = await send(call)
    if (answer.status >= 200 && answer.status < 300) return answer.body as T
    const { code, detail } = problemOf(answer)
    throw new Failure(`${code}: ${detail}`)
  }

  return {
    send,
    get: (path) => body({ method: 'GET', path }),
    post: (path, content, headers) =>
      body({ method: 'POST', path, body: content, ...(headers && { headers }), isRepeatable: headers?.['idempotency-key'] !== undefined }),
    delete: (path) => body({ method: 'DELETE', path }),
    stopRetrying: patient.stop,
    close: () => agent.destroy(),
  }
}

/** The header that tells the gateway who we are. From the environment only: what stands on a command line is seen by all on the machine. */
export function withKey(): { authorization?: string } {
  const key = apiKeyOf(process.env)
  return key === undefined ? {} : { authorization: `Bearer ${key}` }
}

export function parseUrl(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed?.protocol === 'http:' || parsed?.protocol === 'https:') return parsed
  throw new Failure(`"${url}" is not a http:// or https:// address`, 2)
}

export async function readBody(response: http.IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString('utf8')
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** An AggregateError (IPv6 and IPv4 both refused) has an empty message of its own. */
export function reason(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error
  const code = (first as NodeJS.ErrnoException).code
  return code === 'ECONNREFUSED' ? 'connection refused' : oneLine(first)
}
