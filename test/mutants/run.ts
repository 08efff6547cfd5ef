import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import Table from 'cli-table3'
import setup from '../support/global-setup.ts'
import { MUTANTS, type Mutant } from './mutants.ts'

/** Usage: npm run mutants [-- part of a name] [--names: all tests that fail]. Exit code 1 when a mutant is not caught by the test that it names. */
const root = new URL('../..', import.meta.url).pathname
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
const wanted = process.argv.slice(2).find((word) => !word.startsWith('--')) ?? ''
const mutants = MUTANTS.filter((mutant) => mutant.name.includes(wanted))
const MOST_MS = 120_000

type Seen = { failed: string[]; passed: number; said: string }

/** Runs the test that should catch it; `mutant` undefined: without any bug. */
function runTest({ caughtBy: { file, test } }: Mutant, mutant: string | undefined): Promise<Seen> {
  const args = [vitest, 'run', '--config', 'test/vitest.config.ts', file, '--reporter=json', ...(test ? ['-t', literal(test)] : [])]
  const env = { ...process.env, ...(mutant && { COMANDA_MUTANT: mutant }) }
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const killer = setTimeout(() => child.kill('SIGKILL'), MOST_MS)
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  return new Promise((resolve) => {
    child.once('close', () => {
      clearTimeout(killer)
      resolve(read(out, err))
    })
  })
}

function read(out: string, err: string): Seen {
  try {
    const report = JSON.parse(out.slice(out.indexOf('{"'))) as {
      testResults: { message: string; assertionResults: { status: string; title: string }[] }[]
    }
    const all = report.testResults.flatMap((one) => one.assertionResults)
    const failed = all.filter((one) => one.status === 'failed').map((one) => one.title)
    return {
      failed,
      passed: all.filter((one) => one.status === 'passed').length,
      said: report.testResults.map((one) => one.message).join('\n'),
    }
  } catch {
    return { failed: [], passed: 0, said: `${out}\n${err}`.slice(-1_000) }
  }
}

const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

const stop = await setup()
const table = new Table({ head: ['planted bug', 'what it would do', 'caught by', ''], wordWrap: true, colWidths: [34, 32, 50, 4] })
let missed = 0
try {
  for (const [i, mutant] of mutants.entries()) {
    process.stderr.write(`${i + 1}/${mutants.length} ${mutant.name}\n`)
    const seen = await runTest(mutant, mutant.name)
    const isCaught = seen.failed.length > 0
    if (!isCaught) {
      missed++
      process.stderr.write(`  not caught: ${seen.passed} tests passed. ${seen.said}\n`)
    } else if (process.argv.includes('--names')) process.stderr.write(`  ${seen.failed.join('\n  ')}\n`)
    table.push([mutant.name, mutant.harm, `${mutant.caughtBy.file}: ${seen.failed[0] ?? ''}`, isCaught ? '✓' : '✗'])
  }
} finally {
  await stop()
}
console.log(table.toString())
console.log(
  missed === 0 ? `✓ all ${mutants.length} planted bugs are caught` : `✗ ${missed} of ${mutants.length} planted bugs are not caught`,
)
process.exit(missed === 0 ? 0 : 1)
