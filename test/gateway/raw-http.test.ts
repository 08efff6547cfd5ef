import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App } from '../../src/gateway/dependencies.ts'
import { gatewayWith } from './fakes.ts'

/** What no HTTP client sends: framing that two readers understand differently, and senders that take for ever. */

let app: App
let port: number
let cancels = 0
beforeAll(async () => {
  app = await gatewayWith({
    cancelOrder: async () => {
      cancels++
      throw new Error('no request of these may come through')
    },
  })
  port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
})
afterAll(() => app.close())

/** What comes back until the gateway hangs up. `drip`: sent again and again after `text`, so that the connection is never idle. */
function send(text: string, drip = ''): Promise<string> {
  return new Promise((resolve) => {
    let said = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    const dripping = drip && setInterval(() => socket.write(drip), 200)
    socket.on('data', (chunk) => {
      said += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      if (dripping) clearInterval(dripping)
      resolve(said)
    })
  })
}
const request = (...lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`
const POST = 'POST /orders/0199d3c2-0000-7000-8000-000000000001/cancel HTTP/1.1'
const SMUGGLED = request(POST, 'Host: x', 'Connection: close')

describe('framing that could be read in two ways is refused, and nothing behind it is done:', () => {
  it.each([
    [
      'Content-Length and Transfer-Encoding',
      `${request('POST /orders HTTP/1.1', 'Host: x', 'Content-Length: 6', 'Transfer-Encoding: chunked')}0\r\n\r\n${SMUGGLED}`,
    ],
    ['two lengths', request('POST /orders HTTP/1.1', 'Host: x', 'Content-Length: 0', 'Content-Length: 5') + SMUGGLED],
    ['a length that is no number', request('POST /orders HTTP/1.1', 'Host: x', 'Content-Length: +0') + SMUGGLED],
    [
      'an encoding that is not chunked last',
      `${request('POST /orders HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked, identity')}0\r\n\r\n${SMUGGLED}`,
    ],
    ['a header in two lines', request('POST /orders HTTP/1.1', 'Host: x', 'Content-Length: 0', ' chunked') + SMUGGLED],
    ['a space before the colon', request('POST /orders HTTP/1.1', 'Host: x', 'Content-Length : 0') + SMUGGLED],
    [
      'a chunk whose size is no number',
      `${request('POST /orders HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked')}0x0\r\n\r\n${SMUGGLED}`,
    ],
    ['a line that ends without carriage return', `GET /healthz HTTP/1.1\nHost: x\n\n${SMUGGLED}`],
  ])('%s', async (_what, text) => {
    const said = await send(text)
    expect(said).toMatch(/^HTTP\/1\.1 400 /)
    expect(said.match(/HTTP\/1\.1 /g)?.length).toBe(1)
    expect(cancels).toBe(0)
  })
})

describe('who takes for ever', () => {
  it.concurrent('over the headers is cut off', async () => {
    expect(await send('GET /healthz HTTP/1.1\r\nHost: x\r\n', 'x-drip: y\r\n')).toMatch(/^HTTP\/1\.1 408 /)
  }, 60_000)

  it.concurrent('over the body is cut off', async () => {
    const head = request('POST /orders HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Content-Length: 60000')
    expect(await send(head, ' ')).toMatch(/^HTTP\/1\.1 408 /)
  }, 60_000)
})

it('a request is never sent back as it came (TRACE)', async () => {
  const said = await send(request('TRACE /healthz HTTP/1.1', 'Host: x', 'X-Secret: canary', 'Connection: close'))
  expect(said).toMatch(/^HTTP\/1\.1 40[045] /)
  expect(said).not.toContain('canary')
})
