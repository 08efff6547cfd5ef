import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { cpus } from 'node:os'
import Table from 'cli-table3'
import { SETTINGS } from '../src/platform/settings.ts'
import { freePortsInARow, type System, startSystem } from '../test/support/system.ts'
import { type LoadResult, load } from './load.ts'
import { option, text } from './option.ts'
import { createProducts, post, randomPair } from './shop.ts'
import { median, percent, ratio } from './summary.ts'

/**
 * What telemetry costs: the same load on four systems, in turns: telemetry off; metrics on, and read as Prometheus would; traces too, at the default share;
 * and all orders traced. Usage: npm run bench:telemetry [-- --rounds N --seconds N --warm-up N --connections N --json FILE]
 */
const rounds = option('rounds', 10)
const seconds = option('seconds', 5)
const warmUp = option('warm-up', 20)
const connections = option('connections', 64)
const SCRAPE_MS = 5_000
const PROCESSES = 5

/** A collector that takes everything in, and what came. */
async function startSink() {
  const taken = { requests: 0, bytes: 0 }
  const server = createServer((request, response) => {
    taken.requests++
    request.on('data', (chunk: Buffer) => {
      taken.bytes += chunk.length
    })
    request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const stop = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${port}`, taken, stop }
}

/** As Prometheus: each process, every few seconds. */
function scrape(first: number): () => void {
  const timer = setInterval(() => {
    for (let port = first; port < first + PROCESSES; port++)
      fetch(`http://127.0.0.1:${port}/metrics`)
        .then((answer) => answer.arrayBuffer())
        .catch(() => {})
  }, SCRAPE_MS)
  return () => clearInterval(timer)
}

type Variant = { name: string; system: System; results: LoadResult[]; metricsPort?: number }

const sink = await startSink()
const systems: System[] = []
async function variant(name: string, settings: NodeJS.ProcessEnv): Promise<Variant> {
  // All say the same to the environment that the bench was started in.
  const system = await startSystem({ METRICS_PORT: '', OTEL_EXPORTER_OTLP_ENDPOINT: '', OTEL_TRACES_SAMPLER_ARG: '', ...settings })
  systems.push(system)
  await createProducts(system.url)
  await load({ url: system.url, connections, seconds: warmUp, request: post(randomPair) })
  return { name, system, results: [], ...(settings.METRICS_PORT && { metricsPort: Number(settings.METRICS_PORT) }) }
}

const metrics = async () => ({ METRICS_PORT: String(await freePortsInARow(PROCESSES)) })
const traces = (share: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_TRACES_SAMPLER_ARG: share })

try {
  const usual = SETTINGS.OTEL_TRACES_SAMPLER_ARG.default
  const off = await variant('off', {})
  const variants = [
    off,
    await variant('metrics', await metrics()),
    await variant(`metrics, traces of ${usual} (default)`, { ...(await metrics()), ...traces(usual) }),
    await variant('metrics, traces of all', { ...(await metrics()), ...traces('1') }),
  ]
  for (let round = 0; round < rounds; round++) {
    process.stderr.write(`round ${round + 1}/${rounds}\n`)
    // Each is first as often as any other: whoever comes later finds a warmer, or a more tired, machine.
    for (let i = 0; i < variants.length; i++) {
      const { system, results, metricsPort } = variants[(round + i) % variants.length] as Variant
      const end = metricsPort === undefined ? () => {} : scrape(metricsPort)
      results.push(await load({ url: system.url, connections, seconds, request: post(randomPair) }))
      end()
    }
  }
  const rows = variants.map(({ name, results }) => ({
    name,
    perSecond: median(results.map((one) => one.perSecond)),
    p50: median(results.map((one) => one.p50)),
    p99: median(results.map((one) => one.p99)),
    ofOff: ratio(results, off.results),
    errors: results.reduce((sum, { errors }) => sum + errors, 0),
  }))
  const machine = `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.version}, ${rounds} interleaved rounds of ${seconds} s, ${connections} connections`
  const table = new Table({
    head: ['telemetry', '2xx/s', 'p50 ms', 'p99 ms', 'of off, median (middle half)', 'errors'],
    style: { head: [] },
  })
  for (const { name, perSecond, p50, p99, ofOff, errors } of rows)
    table.push([name, perSecond, p50, p99, `${percent(ofOff.median)} (${percent(ofOff.low)}–${percent(ofOff.high)})`, errors])
  console.log(
    `\n${machine}\n\n${table.toString()}\nThe collector took ${sink.taken.requests} requests, ${Math.round(sink.taken.bytes / 1e6)} MB.`,
  )
  if (text('json'))
    writeFileSync(text('json'), `${JSON.stringify({ machine, date: new Date().toISOString().slice(0, 10), rows }, null, 2)}\n`)
  for (const { env } of systems) {
    const audit = spawnSync(process.execPath, ['src/cli/main.ts', 'audit'], { env, encoding: 'utf8' })
    if (audit.status !== 0) console.log(audit.stdout)
    process.exitCode ||= audit.status ?? 1
  }
} finally {
  await Promise.all(systems.map((system) => system.stop()))
  sink.stop()
}
