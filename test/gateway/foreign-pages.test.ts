import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectAccess } from '../../src/gateway/access/connect.ts'
import type { App } from '../../src/gateway/dependencies.ts'
import { readConfig } from '../../src/platform/config.ts'
import { gatewayWith } from './fakes.ts'

/** A gateway without keys, and pages in a browser on its machine. */

const ORDER = '/orders/0199d3c2-0000-7000-8000-000000000001/cancel'
let app: App
let cancels = 0
beforeAll(async () => {
  const cancelOrder = async () => {
    cancels++
    throw new Error('it came through')
  }
  app = await gatewayWith({ cancelOrder } as never, { access: connectAccess(readConfig({})) })
})
afterAll(() => app.close())

async function cancel(headers: Record<string, string>): Promise<string> {
  const before = cancels
  const { statusCode, json } = await app.inject({ method: 'POST', url: ORDER, headers })
  const { code } = json() as { code: string }
  expect(cancels > before, 'whether it was done').toBe(code !== 'foreign_page')
  return `${statusCode} ${code}`
}

describe('a page', () => {
  it.each([
    'attacker.example',
    'attacker.example:8000',
    '127.0.0.1.attacker.example',
    'localhost.attacker.example:8000',
    '192.168.1.5:8000',
    'a b',
    '@',
  ])('whose name was made to mean this machine is refused: %s', async (host) => {
    expect(await cancel({ host })).toBe('403 foreign_page')
    expect((await app.inject({ url: '/healthz', headers: { host } })).statusCode).toBe(403)
  })

  it.each(['http://attacker.example', 'https://127.0.0.1:8000', 'http://127.0.0.1:9000', 'http://localhost:8000', 'null', ''])(
    'of another site is refused, whatever it sends: %s',
    async (origin) => {
      expect(await cancel({ host: '127.0.0.1:8000', origin })).toBe('403 foreign_page')
    },
  )

  it('of our own is not, nor who is no browser, by whatever loopback address', async () => {
    for (const host of ['127.0.0.1:8000', 'localhost:8000', 'LOCALHOST', '[::1]:8000', '127.8.8.8']) {
      expect(await cancel({ host })).toBe('500 internal_error')
      expect(await cancel({ host, origin: `http://${host}` })).toBe('500 internal_error')
    }
  })
})
