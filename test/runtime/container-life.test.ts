import { execFile } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { temporaryFolder } from '../support/folder.ts'
import { freePorts } from '../support/system.ts'
import { until } from '../support/until.ts'

/** A service as a container runs it: alone, on all addresses, settings from the environment, its log on standard output, its health asked from outside. */

const folder = temporaryFolder('container-life')
let database: TestDatabase
let env: NodeJS.ProcessEnv
beforeAll(async () => {
  database = await testDatabase('inventory')
  const [port, other] = await freePorts(2)
  env = {
    ...process.env,
    ...{ INVENTORY_DATABASE_URL: database.url, INVENTORY_PORT: String(port), GATEWAY_PORT: String(other), GRPC_HOST: '0.0.0.0' },
    ...{ MIGRATE: 'off', LOG_TERMINAL: 'json', LOG_DIR: join(folder, 'logs'), DATA_DIR: join(folder, 'data') },
  }
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await database.drop()
})

const health = (...names: string[]) =>
  new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    const child = execFile(process.execPath, ['src/cli/main.ts', 'health', ...names], { env }, (_error, out, err) =>
      resolve({ code: child.exitCode, out, err }),
    )
  })

describe('a service in a container', { timeout: 120_000 }, () => {
  it('answers its health check while it works, logs JSON lines to standard output and writes nothing else', async () => {
    expect(await health()).toMatchObject({ code: 1, err: expect.stringContaining('no service listens here') })
    expect(await health('inventory')).toMatchObject({ code: 1, out: expect.stringContaining('inventory') })

    const child = execFile(process.execPath, ['src/cli/main.ts', 'serve', 'inventory'], { env })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    let said = ''
    child.stdout?.on('data', (chunk) => {
      said += chunk
    })
    await until('the service to say that it is ready', () => said.includes(`"msg":"ready"`) || child.exitCode !== null)
    expect(await health()).toEqual({ code: 0, out: 'inventory  serving\n', err: '' })
    expect(await health('inventory', 'gateway')).toMatchObject({ code: 1, out: expect.stringMatching(/inventory {2}serving\ngateway +\S/) })

    child.kill('SIGTERM')
    expect(await ended).toBe(0)
    const lines = said.trim().split('\n')
    expect(lines.map((line) => JSON.parse(line).service)).toEqual(lines.map(() => 'inventory'))
    expect(existsSync(join(folder, 'logs'))).toBe(false)
    expect(existsSync(join(folder, 'data'))).toBe(false)
  })
})
