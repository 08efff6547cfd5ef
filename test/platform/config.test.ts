import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigError, embeddedDatabases, readConfig } from '../../src/platform/config.ts'
import { SETTINGS } from '../../src/platform/settings.ts'

const problems = (env: NodeJS.ProcessEnv): string[] => {
  try {
    readConfig(env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

describe('the settings', () => {
  it('have a good default each', () => {
    const config = readConfig({})
    expect(config.gateway).toEqual({
      ...{ host: '127.0.0.1', port: 8000, waitMs: 5000, ordersAtOnce: 1000, takeOrders: 'on' },
      ...{ access: 'open', keyMemoryMs: 300_000, rateLimit: undefined },
    })
    expect(config.grpc.addresses.payment).toBe(`127.0.0.1:${config.grpc.ports.payment}`)
    expect(config.databaseUrls).toEqual({ orders: '', inventory: '', payment: '', shipping: '', broker: '' })
    expect(config.dataDir).toBe(resolve('./data'))
  })

  it('of TLS between services are three, or none', () => {
    const files = { GRPC_TLS_CERT_FILE: 'a.crt', GRPC_TLS_KEY_FILE: 'a.key', GRPC_TLS_CA_FILE: 'ca.crt' }
    expect(readConfig({}).grpc.tls).toBeUndefined()
    expect(readConfig(files).grpc.tls).toEqual({ cert: 'a.crt', key: 'a.key', ca: 'ca.crt' })
    for (const name of Object.keys(files))
      expect(problems({ ...files, [name]: '' })).toEqual([expect.stringMatching(/^of GRPC_TLS_CERT_FILE, .+ set all three, or none$/)])
  })

  it('leave reflection off in production, unless it is asked for', () => {
    expect(readConfig({}).grpc.reflection).toBe('on')
    expect(readConfig({ NODE_ENV: 'production' }).grpc.reflection).toBe('off')
    expect(readConfig({ NODE_ENV: 'production', GRPC_REFLECTION: 'on' }).grpc.reflection).toBe('on')
  })

  it('are refused with all that is wrong at once, each by its name', () => {
    const wrong = {
      GATEWAY_PORT: '99999',
      ORDERS_DATABASE_URL: 'mysql://x',
      LOG_LEVEL: 'loud',
      LEASE_MS: '-1',
      LOG_TERMINAL: 'perhaps',
      GRPC_HOST: 'a b',
    }
    const found = problems(wrong)
    expect(found.length).toBe(Object.keys(wrong).length)
    for (const name of Object.keys(wrong)) expect(found.some((problem) => problem.startsWith(name))).toBe(true)
    expect(() => readConfig(wrong)).toThrow(/GATEWAY_PORT[\s\S]*LEASE_MS/)
  })

  it('never show the password of a database or a broker in a problem', () => {
    const wrong = { PAYMENT_DATABASE_URL: 'mysql://user:secret@host/db', BROKER_URL: 'nats://user:secret@host' }
    expect(problems(wrong).length).toBe(2)
    expect(problems(wrong).join()).not.toContain('secret')
  })

  it('put into the embedded server what no setting places', () => {
    expect(embeddedDatabases(readConfig({ ORDERS_DATABASE_URL: 'postgres://db/orders' }))).toEqual([
      'inventory',
      'payment',
      'shipping',
      'broker',
    ])
    expect(embeddedDatabases(readConfig({ BROKER_URL: 'amqp://mq' }))).not.toContain('broker')
  })

  it('count blank ones as unset', () => {
    expect(readConfig({ GATEWAY_PORT: '  ' }).gateway.port).toBe(8000)
  })

  it('refuse faults on purpose in production, and turn nothing on there by themselves', () => {
    expect(problems({ COMANDA_FAULTS: 'on', NODE_ENV: 'production' }).join()).toMatch(
      /COMANDA_FAULTS is "on", but NODE_ENV is "production"/,
    )
    expect(readConfig({ NODE_ENV: 'production' }).faults).toBe('off')
    expect(readConfig({ COMANDA_FAULTS: 'off', NODE_ENV: 'production' }).faults).toBe('off')
    expect(readConfig({ COMANDA_FAULTS: 'on', NODE_ENV: 'test' }).faults).toBe('on')
    expect(readConfig({}).faults).toBe('unset')
    expect(problems({ COMANDA_FAULTS: 'yes' })).toEqual(['COMANDA_FAULTS is "yes", but must be on or off'])
  })

  it('let a service be elsewhere', () => {
    const { grpc } = readConfig({ ORDERS_ADDRESS: 'orders.internal:9', GRPC_HOST: '0.0.0.0' })
    expect(grpc.addresses.orders).toBe('orders.internal:9')
  })

  it.each(['10.0.0.1:15051,10.0.0.2:15051', '[::1]:15051,[::2]:15051', 'orders.internal:15051'])(
    'let a service have several instances: %s',
    (value) => {
      expect(readConfig({ ORDERS_ADDRESS: value }).grpc.addresses.orders).toBe(value)
    },
  )

  it.each(['a:1,b:2', '127.0.0.1:1,[::1]:2', '127.0.0.1:1,', '127.0.0.1,127.0.0.2', '127.0.0.1:1, 127.0.0.1:2'])(
    'refuse %s as addresses, which no client could balance over',
    (value) => {
      expect(problems({ ORDERS_ADDRESS: value })).toEqual([expect.stringMatching(/^ORDERS_ADDRESS is/)])
    },
  )

  it.each(['0', '65536', '80.5', '0x50', 'http', '1e3'])('refuse %s as a port', (value) => {
    expect(problems({ ORDERS_PORT: value }).length).toBe(1)
  })

  it('all have a meaning in words', () => {
    for (const [name, { meaning }] of Object.entries(SETTINGS)) expect([name, meaning.length > 10]).toEqual([name, true])
  })
})
