import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/platform/config.ts'
import { startChild } from '../../src/supervisor/child.ts'
import { lockDataDir } from '../../src/supervisor/lock.ts'
import { requireFreePorts } from '../../src/supervisor/ports.ts'
import { catalogue } from '../../src/supervisor/seed.ts'
import { type System, startSystem } from '../support/system.ts'
import { until } from '../support/until.ts'

const dir = mkdtempSync(join(tmpdir(), 'comanda-supervisor-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describe('a service process', () => {
  it('is started again when it dies, until it is told to stop', async () => {
    const module = join(dir, 'service.mjs')
    const starts = join(dir, 'starts')
    writeFileSync(starts, '')
    writeFileSync(
      module,
      `import { appendFileSync } from 'node:fs'
       appendFileSync(${JSON.stringify(starts)}, 'x')
       process.on('message', () => process.exit(0))
       process.send({ ready: true })`,
    )
    const said: string[] = []
    const child = startChild({ name: 'orders', module, args: [], env: process.env, say: (line) => said.push(line) })
    await child.ready
    const first = child.pid() as number
    process.kill(first, 'SIGKILL')
    await until('a second start', () => readFileSync(starts, 'utf8') === 'xx')
    await until('the news', () => said.some((line) => line.includes('orders is back')))
    expect(said[0]).toMatch(/orders died \(SIGKILL\); starting it again in 0\.2 s/)
    expect(child.pid()).not.toBe(first)
    await child.stop(5_000)
    expect(readFileSync(starts, 'utf8')).toBe('xx')
  })

  it('that is never ready fails the start with its reason', async () => {
    const module = join(dir, 'hopeless.mjs')
    writeFileSync(module, `process.send({ failed: 'no database' }, () => process.exit(1))`)
    const child = startChild({ name: 'orders', module, args: [], env: process.env, say: () => {} })
    await expect(child.ready).rejects.toThrow('orders did not start: no database')
    await child.stop(1_000)
  })

  it('that does not listen is killed when its time to stop is over', async () => {
    const module = join(dir, 'deaf.mjs')
    writeFileSync(module, `process.on('message', () => {}); process.on('SIGTERM', () => {}); process.send({ ready: true })`)
    const said: string[] = []
    const child = startChild({ name: 'orders', module, args: [], env: process.env, say: (line) => said.push(line) })
    await child.ready
    await child.stop(100)
    expect(said.join()).toMatch(/did not stop within 0\.1 s/)
    expect(() => process.kill(child.pid() as number, 0)).toThrow()
  })
})

describe('before it starts', () => {
  it('takes over the lock of a dead process, and of one whose number another program has by now', () => {
    for (const stale of ['999999 1', `${process.ppid} 1`, '']) {
      writeFileSync(join(dir, 'comanda.pid'), stale)
      const lock = lockDataDir(dir)
      expect(lock.lastRunWasKilled).toBe(true)
      expect(readFileSync(join(dir, 'comanda.pid'), 'utf8')).toMatch(new RegExp(`^${process.pid} `))
      lock.release()
    }
    const fresh = lockDataDir(dir)
    expect(fresh.lastRunWasKilled).toBe(false)
    fresh.release()
  })

  it('names every port that is taken and the setting that changes it', async () => {
    const server = createServer()
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
    )
    const config = readConfig({
      GATEWAY_PORT: String(port),
      ORDERS_PORT: '15951',
      INVENTORY_PORT: '15952',
      PAYMENT_PORT: '15953',
      SHIPPING_PORT: '15954',
    })
    await expect(requireFreePorts(config)).rejects.toThrow(`port ${port} is taken; free it, or set GATEWAY_PORT to another`)
    await new Promise((resolve) => server.close(resolve))
  })

  it('finds two services that were given one port', async () => {
    await expect(requireFreePorts(readConfig({ ORDERS_PORT: '15961', PAYMENT_PORT: '15961' }))).rejects.toThrow(
      /ORDERS_PORT and PAYMENT_PORT are both 15961/,
    )
  })

  it('has a catalogue of about 200 products with a1 and b2, some nearly sold out, some not sold any more', () => {
    const products = catalogue()
    const units = (id: string) => products.find((product) => product.id === id)?.stock.reduce((sum, level) => sum + level.onHand, 0) ?? 0
    expect(new Set(products.map((product) => product.id)).size).toBe(products.length)
    expect(products.length).toBe(202)
    expect(units('a1')).toBeGreaterThan(1_000)
    expect(units('b2')).toBeGreaterThan(1_000)
    expect(products.filter(({ id }) => units(id) <= 5 && units(id) > 0).length).toBeGreaterThan(10)
    expect(products.filter((product) => product.status === 'discontinued').length).toBeGreaterThan(0)
  })
})

describe('the running system', () => {
  let system: System
  beforeAll(async () => {
    system = await startSystem()
  }, 90_000)
  afterAll(() => system.stop(), 60_000)

  it('does not start a second time on the same data', async () => {
    const second = spawn(process.execPath, ['src/cli/main.ts', 'serve', 'all'], { env: system.env, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [second.stdout, second.stderr]) stream.on('data', (chunk) => (said += chunk))
    const code = await new Promise((resolve) => second.once('close', (exit, signal) => resolve(exit ?? signal)))
    expect(code).toBe(1)
    expect(said).toMatch(/Comanda runs already on .* \(process \d+\)/)
  })

  it('writes a log file per service, with order and request ids and without the payment token', async () => {
    const body = {
      user_id: 'logged',
      items: [{ product_id: 'a1', quantity: 1 }],
      payment_method: 'credit_card',
      payment_token: 'tok_canary',
    }
    // Busy with its start it may refuse the first.
    const answer = await until('the order to be taken', async () => {
      const reply = await fetch(`${system.url}/orders`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-request-id': 'request-of-the-log-test' },
        body: JSON.stringify(body),
      })
      return reply.ok && reply
    })
    const { id } = (await answer.json()) as { id: string }
    for (const service of ['gateway', 'orders', 'inventory', 'payment', 'shipping']) {
      const file = join(system.env.LOG_DIR as string, `${service}.log`)
      const lines = await until(`${service} to log`, () => {
        const text = readFileSync(file, 'utf8')
        return text.includes(id) && text
      })
      expect(lines).toContain('request-of-the-log-test')
      expect(lines).not.toContain('tok_canary')
    }
  })
})
