import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { temporaryFolder } from './folder.ts'
import { until } from './until.ts'

/** The real system, as `npm start` runs it (`comanda serve all`), with ports and folders of its own. */
export type System = {
  url: string
  env: NodeJS.ProcessEnv
  /** Process ids of the services that run now, by name. */
  pids(): Record<string, number>
  /** Resident memory in MB, by service. */
  memoryMb(): Record<string, number>
  /** Kills a service with SIGKILL and waits until it is gone; the supervisor starts it again. */
  kill(service: string): Promise<void>
  /** kill -9 of all at once: supervisor, services and PostgreSQL. */
  killEverything(): Promise<void>
  /** On what is left of the data. */
  startAgain(): Promise<void>
  stop(): Promise<void>
}

const PORT_SETTINGS = ['GATEWAY_PORT', 'ORDERS_PORT', 'INVENTORY_PORT', 'PAYMENT_PORT', 'SHIPPING_PORT', 'POSTGRES_PORT']

export async function startSystem(settings: NodeJS.ProcessEnv = {}): Promise<System> {
  const dir = temporaryFolder('system')
  const ports = await freePorts(PORT_SETTINGS.length)
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ...Object.fromEntries(PORT_SETTINGS.map((name, i) => [name, String(ports[i])])),
    DATA_DIR: join(dir, 'data'),
    LOG_DIR: join(dir, 'logs'),
    LOG_TERMINAL: 'off',
    ...settings,
  }
  const url = `http://127.0.0.1:${env.GATEWAY_PORT}`
  let child = await launch(env, url)
  const pids = () => childrenOf(child.pid ?? 0, (pid) => pid)
  return {
    url,
    env,
    pids,
    memoryMb: () => childrenOf(child.pid ?? 0, (_pid, status) => Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)),
    async kill(service) {
      const pid = pids()[service]
      if (!pid) throw new Error(`${service} does not run`)
      process.kill(pid, 'SIGKILL')
      await until(`${service} to be gone`, () => pids()[service] !== pid)
    },
    async killEverything() {
      const postgres = Number(readFileSync(join(dir, 'data', 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0])
      const ended = new Promise((resolve) => child.once('exit', resolve))
      for (const pid of [child.pid ?? 0, ...Object.values(pids()), postgres]) killOrGone(pid)
      await ended
    },
    async startAgain() {
      child = await launch(env, url)
    },
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

async function launch(env: NodeJS.ProcessEnv, url: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['src/cli/main.ts', 'serve', 'all'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      said = (said + chunk).slice(-4_000)
    })
  try {
    await until('the system to be ready', () => isReady(url, child, () => said), 120)
  } catch (error) {
    child.kill('SIGTERM')
    throw error
  }
  return child
}

async function isReady(url: string, child: ChildProcess, said: () => string): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`the system ended with ${child.exitCode} before it was ready:\n${said()}`)
  return (await fetch(`${url}/readyz`).catch(() => undefined))?.ok ?? false
}

/** A service ends by itself when its supervisor is gone, perhaps before it is its turn. */
export function killOrGone(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Reads /proc: something of each service process that the supervisor has started, by the service's name. */
function childrenOf(parent: number, read: (pid: number, status: string) => number): Record<string, number> {
  const found: Record<string, number> = {}
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      if (!status.includes(`PPid:\t${parent}\n`)) continue
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean)
      const name = words.includes('serve') ? words.at(-1) : undefined
      if (name) found[name] = read(Number(pid), status)
    } catch {
      // ended meanwhile
    }
  }
  return found
}

const FIRST_PORT = 20_000
const PORTS_EACH = 6_000

/** Ports that were free a moment ago, below those that Linux hands to outgoing connections. Each of two test workers has its own to choose from. */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = []
  while (found.length < count) {
    const own = Number(process.env.VITEST_POOL_ID ?? 0) % 2
    const port = FIRST_PORT + PORTS_EACH * own + Math.floor(Math.random() * PORTS_EACH)
    if (!found.includes(port) && (await isFree(port))) found.push(port)
  }
  return found
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })

/** The first of so many ports in a row that were free a moment ago. */
export async function freePortsInARow(count: number): Promise<number> {
  for (;;) {
    const [first = 0] = await freePorts(1)
    const others = Array.from({ length: count - 1 }, (_, i) => isFree(first + 1 + i))
    if ((await Promise.all(others)).every(Boolean)) return first
  }
}
