import { fork } from 'node:child_process'
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Table from 'cli-table3'
import { load } from './load.ts'
import { option } from './option.ts'
import { post, randomPair } from './shop.ts'

/**
 * What this machine can do at most: durable writes a second, and the gateway with nothing behind it. Usage: npm run bench:limits [-- --seconds N]
 */
const seconds = option('seconds', 8)
const BLOCK = 8_192

const table = new Table({ head: ['limit', 'per second', 'each'], style: { head: [] } })
const syncs = durableWrites()
table.push(['write of 8 KiB with fdatasync, one after the other', Math.round(syncs), `${(1_000 / syncs).toFixed(2)} ms`])

const child = fork(new URL('baselines/bare-gateway.ts', import.meta.url))
const url = await new Promise<string>((resolve) => child.once('message', (message) => resolve(String(message))))
await load({ url, connections: 64, seconds: 3, request: post(randomPair) })
for (const connections of [64, 256]) {
  const { perSecond, p50 } = await load({ url, connections, seconds, request: post(randomPair) })
  table.push([`POST /orders to a gateway whose services answer at once, ${connections} connections`, perSecond, `p50 ${p50} ms`])
}
child.kill('SIGKILL')
console.log(table.toString())

function durableWrites(): number {
  const folder = mkdtempSync(join(tmpdir(), 'comanda-limits-'))
  const file = openSync(join(folder, 'wal'), 'w')
  const block = Buffer.alloc(BLOCK, 1)
  const began = performance.now()
  let count = 0
  while (performance.now() - began < 2_000) {
    writeSync(file, block, 0, BLOCK, (count % 1_000) * BLOCK)
    fdatasyncSync(file)
    count++
  }
  const took = (performance.now() - began) / 1_000
  closeSync(file)
  rmSync(folder, { recursive: true })
  return count / took
}
