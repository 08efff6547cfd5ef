import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { killOrGone } from '../support/system.ts'
import { until } from '../support/until.ts'

/** `kill -9` of the supervisor, of everything, and Ctrl-C twice: the next start goes on from there. */

const dir = temporaryFolder('killed')
const url = 'http://127.0.0.1:15971'
const env = {
  ...process.env,
  DATA_DIR: join(dir, 'data'),
  LOG_DIR: join(dir, 'logs'),
  LOG_TERMINAL: 'off',
  GATEWAY_PORT: '15971',
  ORDERS_PORT: '15972',
  INVENTORY_PORT: '15973',
  PAYMENT_PORT: '15974',
  SHIPPING_PORT: '15975',
  POSTGRES_PORT: '15976',
}
let supervisor: ChildProcess
let said = ''
let kept = ''

async function start(): Promise<void> {
  said = ''
  supervisor = spawn(process.execPath, ['src/cli/main.ts', 'serve', 'all'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  for (const stream of [supervisor.stdout, supervisor.stderr])
    stream?.on('data', (chunk) => {
      said += chunk
    })
  await until(
    'the banner',
    () => {
      if (supervisor.exitCode !== null) throw new Error(`ended with ${supervisor.exitCode}:\n${said}`)
      return said.includes('Ctrl-C stops it')
    },
    60,
  )
}

const ended = () => until('the supervisor to end', () => supervisor.exitCode !== null || supervisor.signalCode !== null)
const postgresPid = () => Number(readFileSync(join(dir, 'data', 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0])
const isAlive = (pid: number) =>
  readdirSync('/proc').includes(String(pid)) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))

function servicePids(): number[] {
  return [...said.matchAll(/process (\d+)/g)].map((match) => Number(match[1]))
}

async function expectTheOrderToBeThere(): Promise<void> {
  // Busy with its start it may refuse the first.
  const answer = await until('an answer', async () => {
    const found = await fetch(`${url}/orders/${kept}`)
    return found.status !== 503 && found
  })
  expect(await answer.json()).toMatchObject({ id: kept, status: 'confirmed' })
}

beforeAll(async () => {
  await start()
  const body = JSON.stringify({ user_id: 'u123', items: [{ product_id: 'a1', quantity: 1 }], payment_method: 'credit_card' })
  const answer = await until('an order to be confirmed', async () => {
    const reply = await fetch(`${url}/orders`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    return reply.status === 201 && reply
  })
  kept = ((await answer.json()) as { id: string }).id
}, 90_000)

afterAll(async () => {
  supervisor.kill('SIGTERM')
  await ended()
  rmSync(dir, { recursive: true, force: true })
}, 60_000)

it('starts at once after kill -9 of the supervisor, with the server that was left behind', { timeout: 90_000 }, async () => {
  const before = servicePids()
  expect(before).toHaveLength(5)
  const postgres = postgresPid()
  supervisor.kill('SIGKILL')
  await ended()
  await start()
  expect(said).toContain('The last run was killed')
  expect(postgresPid()).toBe(postgres)
  expect(before.filter(isAlive)).toEqual([])
  await expectTheOrderToBeThere()
})

it('starts after kill -9 of everything, PostgreSQL too', { timeout: 90_000 }, async () => {
  const all = [supervisor.pid as number, postgresPid(), ...servicePids()]
  for (const pid of all) killOrGone(pid)
  await ended()
  await start()
  expect(postgresPid()).not.toBe(all[1])
  await expectTheOrderToBeThere()
})

it('stops all in order when asked, PostgreSQL last, and leaves nothing running', { timeout: 90_000 }, async () => {
  const all = [postgresPid(), ...servicePids()]
  supervisor.kill('SIGINT')
  await ended()
  expect(supervisor.exitCode).toBe(0)
  expect(all.filter(isAlive)).toEqual([])
  await start()
  expect(said).not.toContain('last run')
  await expectTheOrderToBeThere()
})

it('stops even while it still starts', { timeout: 90_000 }, async () => {
  supervisor.kill('SIGINT')
  await ended()
  supervisor = spawn(process.execPath, ['src/cli/main.ts', 'serve', 'all'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  await until('the lock', () => readdirSync(join(dir, 'data')).includes('comanda.pid'))
  supervisor.kill('SIGINT')
  await ended()
  expect(readdirSync(join(dir, 'data'))).not.toContain('comanda.pid')
  await start()
})
