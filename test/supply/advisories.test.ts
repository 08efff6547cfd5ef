import { execFile } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { judge } from '../../bin/supply/advisories.ts'
import { temporaryFolder } from '../support/folder.ts'
import { httpServer } from '../support/http-server.ts'

/** A registry that knows one package, and what is said about it. */
let registry: Server
let url = ''
let runs = 0
let advice: { status: number; severity?: string } = { status: 200 }
const folder = temporaryFolder('advisories')

beforeAll(async () => {
  registry = httpServer(async (request, response) => {
    for await (const _chunk of request);
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (request.url === '/leaky') return answer(200, { name: 'leaky', versions: { '1.0.0': { name: 'leaky', version: '1.0.0' } } })
    if (!request.url?.includes('/security/')) return answer(404, {})
    const found = {
      id: 1,
      title: 'It leaks',
      url: 'https://advisories.example/1',
      severity: advice.severity,
      vulnerable_versions: '<2.0.0',
    }
    return answer(advice.status, advice.severity ? { leaky: [found] } : {})
  })
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(registry.address() as { port: number }).port}`
  const own = { name: 'shop', version: '1.0.0', dependencies: { leaky: '^1.0.0' } }
  const leaky = { version: '1.0.0', resolved: `${url}/leaky/-/leaky-1.0.0.tgz`, license: 'MIT' }
  const lock = { name: 'shop', version: '1.0.0', lockfileVersion: 3, packages: { '': own, 'node_modules/leaky': leaky } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(own))
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock))
})
afterAll(() => {
  registry.closeAllConnections()
  registry.close()
  rmSync(folder, { recursive: true, force: true })
})

const run = (at: string, registryUrl = url) =>
  new Promise<{ code: number; said: string }>((resolve) => {
    const env = {
      ...process.env,
      npm_config_registry: registryUrl,
      // npm remembers what it worked out.
      // npm remembers what it worked out.
      npm_config_cache: join(folder, `cache-${++runs}`),
      npm_config_fetch_retry_mintimeout: '1',
    }
    execFile(process.execPath, ['bin/supply/advisories.ts', at], { env }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, said: stdout + stderr }),
    )
  })

describe('npm run advisories', () => {
  it('fails when a package that the lock file pins has a high advisory, and names it', async () => {
    advice = { status: 200, severity: 'high' }
    const { code, said } = await run(folder)
    expect([code, said]).toEqual([1, expect.stringMatching(/FAILED[\s\S]*1 high[\s\S]*leaky: high: It leaks https:/)])
  }, 300_000)

  it('passes when there is none, or a moderate one, which it counts', async () => {
    advice = { status: 200, severity: 'moderate' }
    expect(await run(folder)).toEqual({ code: 0, said: expect.stringMatching(/✓ .*1 moderate/) })
    advice = { status: 200 }
    expect(await run(folder)).toEqual({ code: 0, said: expect.stringMatching(/✓ .*0 moderate/) })
  }, 300_000)

  it('is skipped, and says so, when the registry does not answer or knows no advisories', async () => {
    advice = { status: 405 }
    expect(await run(folder)).toEqual({ code: 0, said: expect.stringMatching(/SKIPPED.*405/) })
    // Port 9: nobody listens.
    expect(await run(folder, 'http://127.0.0.1:9')).toEqual({ code: 0, said: expect.stringMatching(/SKIPPED.*127\.0\.0\.1:9/) })
  }, 300_000)

  it('fails when npm finds no lock file to look at, which is no fault of the network', async () => {
    const empty = temporaryFolder('advisories-none')
    writeFileSync(join(empty, 'package.json'), '{"name":"shop","version":"1.0.0"}')
    expect(await run(empty)).toEqual({ code: 1, said: expect.stringContaining('FAILED: npm could not look') })
    rmSync(empty, { recursive: true, force: true })
  }, 300_000)

  it('counts an npm that did not end as not asked', () =>
    expect(judge('', '')).toEqual({ outcome: 'skipped', lines: ['npm did not end in time'] }))
})
