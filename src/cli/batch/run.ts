import { type Api, openApi } from '../api.ts'
import { Failure } from '../failure.ts'
import { patience, Unreachable } from '../patience.ts'
import { count } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { type Format, type Input, openInput } from './input.ts'
import { type Interrupt, onInterrupt } from './interrupt.ts'
import { keyMaker } from './key.ts'
import { openOutput } from './output.ts'
import { startProgress } from './progress.ts'
import { exitCodeOf, type Run, resultTable } from './report.ts'
import { type Answered, madeAtMs, type Result } from './result.ts'
import { type Ending, sendAll } from './send.ts'
import { settle } from './settle.ts'
import { bulkPlacer, type Place } from './stream.ts'
import { Tally } from './tally.ts'

export type BatchOptions = {
  file: string
  url: string
  format?: Format
  concurrency: number
  /** One stream for all orders, or a request for each. */
  transport: 'stream' | 'requests'
  /** How long the gateway may wait for an order's end; undefined: its own default. */
  waitSeconds?: number
  settleSeconds: number
  /** How long one order is tried again while no answer comes or the gateway is too busy. */
  patienceSeconds: number
  keyPrefix: string
  out?: string
  progress: 'shown' | 'hidden'
  /** Called for each order once its end is known, or when it is still pending at the very end. */
  onFinal?(result: Result, answered: Answered | undefined): void
}

/** Sends a file of orders and prints the table. Returns the exit code. */
export async function runBatch(terminal: Terminal, options: BatchOptions): Promise<number> {
  const { url, waitSeconds, concurrency } = options
  const input = await openInput(options.file, options.format)
  const timeoutMs = ((waitSeconds ?? 5) + 15) * 1000
  const patienceMs = options.patienceSeconds * 1000
  const api = openApi({ url, connections: concurrency, timeoutMs, patienceMs })
  const prefer = waitSeconds === undefined ? undefined : waitSeconds === 0 ? 'respond-async' : `wait=${waitSeconds}`
  const patient = patience(patienceMs)
  const bulk = bulkPlacer({ url, prefer, timeoutMs, patience: patient })
  const place = options.transport === 'stream' ? bulk.place : onePlacer(api, prefer)
  const interrupt = onInterrupt(terminal, () => {
    patient.stop()
    api.stopRetrying()
    input.close()
  })
  try {
    await checkReachable(api)
    const run = await sendAndSettle({ terminal, options, api, place, input, interrupt })
    for (const example of run.summary.examples) terminal.err(terminal.colors.red(example))
    terminal.out(resultTable(terminal, run))
    if (run.ending.why !== 'end')
      terminal.err(`${whyEnded(run.ending)}; run the same command again to send the rest: nothing is sent twice`)
    return exitCodeOf(run)
  } finally {
    interrupt.remove()
    input.close()
    bulk.close()
    api.close()
  }
}

/** A request for each order. */
function onePlacer(api: Api, prefer: string | undefined): Place {
  return (order, key) =>
    api.send({
      method: 'POST',
      path: '/orders',
      body: order,
      headers: { 'idempotency-key': key, ...(prefer && { prefer }) },
      isRepeatable: true,
    })
}

type Parts = { terminal: Terminal; options: BatchOptions; api: Api; place: Place; input: Input; interrupt: Interrupt }

async function sendAndSettle({ terminal, options, api, place, input, interrupt }: Parts): Promise<Run> {
  const output = await openOutput(options.out)
  const tally = new Tally()
  const pending: Result[] = []
  const startedAt = Date.now()
  const started = performance.now()
  let bytes = 0

  const finish = (result: Result, answered: Answered | undefined) => {
    options.onFinal?.(result, answered)
    return output.write(result)
  }
  const onResult = (result: Result, answered: Answered | undefined) => {
    tally.add(result, { isEarlier: result.order_id !== null && (madeAtMs(result.order_id) ?? Infinity) < startedAt })
    if (result.outcome !== 'pending') return finish(result, answered)
    pending.push(result)
  }
  const onBytes = (end: number) => {
    bytes = Math.max(bytes, end)
  }
  const onSettled = (result: Result, answered: Answered) => {
    tally.settle(result)
    return finish(result, answered)
  }
  const isShown = options.progress === 'shown'
  const onRound = (left: number) => {
    if (isShown) terminal.err(`waiting for the end of ${count(left)} pending ${left === 1 ? 'order' : 'orders'}`)
  }

  const progress = isShown
    ? startProgress(terminal, { totalBytes: input.totalBytes, read: () => ({ orders: tally.seen, bytes, failures: tally.failures }) })
    : undefined
  try {
    const sender = { place, concurrency: options.concurrency, keyOf: keyMaker(options.keyPrefix), onResult, onBytes }
    const ending = await sendAll(input.entries, sender, interrupt).finally(() => progress?.stop())
    const sendingMs = performance.now() - started
    const still = await settle(pending, { api, seconds: options.settleSeconds, stop: interrupt, onResult: onSettled, onRound })
    for (const result of still) await finish(result, undefined)
    return { summary: tally.summary(), ending, sendingMs, totalMs: performance.now() - started, answered: tally.answered }
  } finally {
    await output.close()
  }
}

/** Before the first order: one clear message instead of one failure per line. */
async function checkReachable(api: Api): Promise<void> {
  try {
    await api.send({ method: 'GET', path: '/healthz', isRepeatable: false })
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    throw new Failure(`${error.message}; start the system with "npm start", or name its address with --url`)
  }
}

function whyEnded(ending: Ending): string {
  return ending.why === 'gateway lost' ? `the gateway does not answer any more: stopped at line ${ending.line}` : 'stopped'
}
