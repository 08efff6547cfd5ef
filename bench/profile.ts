import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Table from 'cli-table3'
import { startSystem } from '../test/support/system.ts'
import { type CpuProfile, flameGraph } from './flame.ts'
import { load } from './load.ts'
import { option, text } from './option.ts'
import { createProducts, post, randomPair } from './shop.ts'

/**
 * Where the time goes: every process under V8's profiler while orders are placed, a flame graph for each, and CPU time by module over all.
 * Usage: npm run bench:profile [-- --connections N --seconds N --flames FOLDER]
 */
const connections = option('connections', 256)
const seconds = option('seconds', 30)
/** Of each profile: start and warm-up. */
const LEFT_OUT = 0.5
const SHOWN = 25

const folder = mkdtempSync(join(tmpdir(), 'comanda-profile-'))
const system = await startSystem({ NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder} --cpu-prof-interval=500` })
await createProducts(system.url)
const { perSecond } = await load({ url: system.url, connections, seconds, request: post(randomPair) })
await system.stop()

const modules = new Map<string, number>()
for (const file of readdirSync(folder)) {
  const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile
  const service = serviceOf(profile)
  if (!service) continue
  for (const [name, us] of byModule(profile)) modules.set(name, (modules.get(name) ?? 0) + us)
  const title = `${service}, ${connections} connections, ${perSecond} orders/s under the profiler`
  if (text('flames')) writeFileSync(join(text('flames'), `flame-${service}.svg`), flameGraph(title, profile, LEFT_OUT))
}
const all = [...modules.values()].reduce((sum, us) => sum + us, 0)
const table = new Table({ head: ['module', 'share of the CPU time of all services'], style: { head: [] } })
for (const [name, us] of [...modules].sort((a, b) => b[1] - a[1]).slice(0, SHOWN)) table.push([name, `${((us / all) * 100).toFixed(1)}%`])
console.log(table.toString())

function serviceOf({ nodes }: CpuProfile): string | undefined {
  const starts = nodes.map(({ callFrame }) => /\/src\/(orders|inventory|payment|shipping|gateway)\/start\.ts$/.exec(callFrame.url)?.[1])
  return starts.find((name) => name !== undefined)
}

function byModule({ nodes, samples, timeDeltas }: CpuProfile): Map<string, number> {
  const names = new Map(nodes.map(({ id, callFrame: { functionName, url } }) => [id, moduleOf(functionName, url)]))
  const sums = new Map<string, number>()
  const all = timeDeltas.reduce((sum, one) => sum + one, 0)
  let passed = 0
  samples.forEach((id, at) => {
    passed += timeDeltas[at] ?? 0
    const name = names.get(id) ?? ''
    if (passed > all * LEFT_OUT && name !== '(idle)') sums.set(name, (sums.get(name) ?? 0) + (timeDeltas[at] ?? 0))
  })
  return sums
}

function moduleOf(functionName: string, url: string): string {
  if (!url) return functionName === '(idle)' || functionName === '(garbage collector)' ? functionName : 'native code and system calls'
  const library = /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
  return library ?? /\/(src\/[^/]+)/.exec(url)?.[1] ?? (url.startsWith('node:') ? 'Node' : url)
}
