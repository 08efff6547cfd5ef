import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The real system, as `npm start` runs it, on ports and folders of its own. */
export type System = { url: string; env: NodeJS.ProcessEnv; stop(): Promise<void>; memoryMb(): Record<string, number> }

const PORTS = { GATEWAY_PORT: '18000', ORDERS_PORT: '15051', INVENTORY_PORT: '15052', PAYMENT_PORT: '15053', SHIPPING_PORT: '15054', POSTGRES_PORT: '15432' }

export async function startSystem(): Promise<System> {
  const dir = mkdtempSync(join(tmpdir(), 'comanda-bench-'))
  const env = { ...process.env, ...PORTS, DATA_DIR: join(dir, 'data'), LOG_DIR: join(dir, 'logs'), LOG_TERMINAL: 'off' }
  const child = spawn(process.execPath, ['src/cli/main.ts', 'serve', 'all'], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const url = `http://127.0.0.1:${PORTS.GATEWAY_PORT}`
  await ready(url, child)
  return {
    url,
    env,
    memoryMb: () => memoryOf(child.pid ?? 0),
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

async function ready(url: string, child: ChildProcess): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
    if (child.exitCode !== null) throw new Error(`the system ended with ${child.exitCode} before it was ready`)
    const answer = await fetch(`${url}/readyz`).catch(() => undefined)
    if (answer?.ok) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the system was not ready within 60 s')
}

/** Resident memory of the service processes in MB, by service (Linux). */
function memoryOf(parent: number): Record<string, number> {
  const found: Record<string, number> = {}
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      if (!status.includes(`PPid:\t${parent}\n`)) continue
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean)
      const name = words.includes('serve') ? words.at(-1) : undefined
      if (name) found[name] = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
    } catch {
      // ended meanwhile
    }
  }
  return found
}
