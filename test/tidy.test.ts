import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'

/** The style guide, as a test. Its limits only ever get tighter. */

const MOST_LINES_IN_A_FILE = 300
const MOST_LINES_IN_A_FUNCTION = 60
const MOST_ROOT_ENTRIES = 15
const MEDIAN_LINES = 120

const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
  .split('\n')
  .filter(Boolean)
const files = tracked.filter((name) => /\.(ts|mjs|sql)$/.test(name) && !name.startsWith('src/gen/'))
const sources = files.filter((name) => name.startsWith('src/') && name.endsWith('.ts'))
const text = new Map(files.map((name) => [name, readFileSync(name, 'utf8')]))
const linesOf = (name: string) => (text.get(name) ?? '').trimEnd().split('\n')

/** Who may import whom, by the first folder below src/. Everyone may import platform and gen. */
const MAY_IMPORT: Record<string, string[]> = {
  platform: [],
  broker: [],
  access: [],
  retention: [],
  inventory: ['retention'],
  payment: ['broker'],
  shipping: ['broker'],
  orders: ['access', 'broker'],
  gateway: [],
  audit: [],
  supervisor: [],
  backup: ['supervisor'],
  cli: ['access', 'audit', 'backup', 'retention', 'main.ts'],
  telemetry: [],
  'main.ts': ['telemetry', 'inventory', 'payment', 'shipping', 'orders', 'gateway', 'supervisor'],
}

const roomOf = (name: string) => name.split('/')[1] ?? ''

function imports(name: string): string[] {
  const found = (text.get(name) ?? '').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)
  return [...found].map((match) => normalize(join(dirname(name), match[1] ?? '')))
}

/** Functions longer than the limit. A line counts for the innermost function around it, so a factory is measured like a class: by what is its own. */
function longFunctions(name: string): string[] {
  const open: { indent: number; start: number; own: number; title: string }[] = []
  const long: string[] = []
  linesOf(name).forEach((line, i) => {
    const indent = line.search(/\S/)
    const top = open.at(-1)
    if (top && indent === top.indent && /^\s*\}/.test(line)) {
      open.pop()
      if (top.own > MOST_LINES_IN_A_FUNCTION) long.push(`${name}:${top.start} ${top.title} (${top.own} lines)`)
      return
    }
    if (top) top.own++
    const opens =
      /(\bfunction\b.*|=>|^\s+(static |async |\*|get |set )*[#\w[\].]+\(.*\)(: [^=]+)?)\s*\{$/.test(line) &&
      !/^\s*(if|for|while|switch|catch|\} )/.test(line)
    if (opens) open.push({ indent, start: i + 1, own: 0, title: line.trim().slice(0, 60) })
  })
  return long
}

describe('the house is tidy', () => {
  it('no folder imports one that it must not know', () => {
    const wrong = sources.flatMap((name) =>
      imports(name)
        .filter((target) => target.startsWith('src/'))
        .filter((target) => {
          const [from, to] = [roomOf(name), roomOf(target)]
          return from !== to && to !== 'gen' && to !== 'platform' && !(MAY_IMPORT[from] ?? []).includes(to)
        })
        .map((target) => `${name} → ${target}`),
    )
    expect(wrong).toEqual([])
  })

  it('pure rules know nothing of the database, the network or the clock', () => {
    const rules = [
      'src/orders/order.ts',
      'src/orders/parking.ts',
      'src/inventory/stock.ts',
      'src/payment/payment.ts',
      'src/shipping/shipment.ts',
    ]
    const wrong = rules.filter((name) =>
      /Date\.now|new Date\(\)|Math\.random|node:|postgres|grpc|await /.test(text.get(name) ?? 'missing: await '),
    )
    expect(wrong).toEqual([])
  })

  it(`no file has more than ${MOST_LINES_IN_A_FILE} lines, and half have fewer than ${MEDIAN_LINES}`, () => {
    expect(files.filter((name) => linesOf(name).length > MOST_LINES_IN_A_FILE)).toEqual([])
    const lengths = sources.map((name) => linesOf(name).length).sort((a, b) => a - b)
    expect(lengths[lengths.length >> 1]).toBeLessThanOrEqual(MEDIAN_LINES)
  })

  it(`no function has more than ${MOST_LINES_IN_A_FUNCTION} lines of its own`, () => {
    expect(sources.flatMap(longFunctions)).toEqual([])
  })

  it('no file has a name that says nothing', () => {
    const vague = /^(utils?|helpers?|common|managers?|base|impl|misc|index)\.(ts|mjs)$/
    expect(files.filter((name) => vague.test(basename(name)))).toEqual([])
    expect(files.filter((name) => /[A-Z]/.test(basename(name)))).toEqual([])
  })

  it('no word of unfinished work stands in the code', () => {
    const banned = /\b(TODO|FIXME|XXX|HACK)\b|not implemented|\bfor now\b|\bsimplified\b/i
    const self = 'test/tidy.test.ts'
    expect(files.filter((name) => name !== self && banned.test(text.get(name) ?? ''))).toEqual([])
  })

  it('settings are read in one place', () => {
    const readers = sources.filter((name) => /process\.env\b/.test(text.get(name) ?? ''))
    // main.ts and the supervisor hand the environment on; they read no setting from it.
    const wrong = readers.filter((name) => !/^src\/(platform\/config|main|supervisor\/[\w-]+|cli\/[\w-]+)\.ts$/.test(name))
    expect(wrong).toEqual([])
    const named = sources.filter((name) => name !== 'src/platform/config.ts' && /process\.env(\.[A-Z]|\[')/.test(text.get(name) ?? ''))
    expect(named).toEqual([])
  })

  it('SQL is never put together from strings', () => {
    const wrong = sources.filter((name) => /(?<!std(?:out|err)\.)\b(query|write)\(\s*`[^`]*\$\{/.test(text.get(name) ?? ''))
    expect(wrong).toEqual([])
  })

  it('tests wait for conditions, not for time', () => {
    // In the simulation time is virtual.
    const tests = files.filter((name) => name.startsWith('test/') && !name.startsWith('test/simulation/'))
    const sleeps = tests.filter(
      (name) =>
        // Chaos is no test that waits for something: it lets a random time pass between two blows.
        !['test/tidy.test.ts', 'test/support/until.ts', 'test/chaos/pause.ts'].includes(name) &&
        /setTimeout\(\s*(resolve|done|r)\b|timers\/promises|\bsleep\(\d/.test(text.get(name) ?? ''),
    )
    expect(sleeps).toEqual([])
  })

  it('no test is left out', () => {
    const left = files.filter((name) => name.startsWith('test/') && /\b(it|test|describe)\.(only|todo)\b/.test(text.get(name) ?? ''))
    expect(left.filter((name) => name !== 'test/tidy.test.ts')).toEqual([])
  })

  it(`the root has no more than ${MOST_ROOT_ENTRIES} entries`, () => {
    const root = new Set(tracked.map((name) => name.split('/')[0] ?? '').filter((name) => !name.startsWith('.')))
    expect([...root].length).toBeLessThanOrEqual(MOST_ROOT_ENTRIES)
  })
})
