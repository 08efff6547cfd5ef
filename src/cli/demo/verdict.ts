import { count, duration } from '../table.ts'
import type { OrderJson } from '../wire.ts'
import { type Answer, percentile } from './crowd.ts'

/** What became of the outage, before the audit. */
export type Story = {
  service: string
  answers: readonly Answer[]
  /** All orders that the gateway knows of these customers, by id. */
  orders: ReadonlyMap<string, OrderJson>
  downMs: number
  /** From the service's return until the queue was empty; undefined: it never was. */
  drainedMs: number | undefined
}

/** All that went wrong, in words; nothing when the promises were kept. */
export function problemsOf({ service, answers, orders, drainedMs }: Story): string[] {
  const failed = answers.filter(({ kind }) => kind === 'failed')
  const lost = answers.filter(({ kind, orderId }) => kind !== 'failed' && !orders.has(orderId ?? ''))
  const ids = answers.flatMap(({ orderId }) => orderId ?? [])
  const ended = Object.entries(Object.groupBy(orders.values(), ({ status }) => status)).filter(([status]) => status !== 'confirmed')
  const wasFelt = answers.some(({ kind, phase }) => kind === 'parked' && phase === 'down')
  return [
    answers.length === 0 && 'no order was answered',
    failed.length > 0 && `${count(failed.length)} orders got neither 201 nor 202 (${failed[0]?.why})`,
    lost.length > 0 && `${count(lost.length)} orders were answered and are lost (${lost[0]?.orderId})`,
    new Set(ids).size < ids.length && `${count(ids.length - new Set(ids).size)} orders got an id that another has`,
    ...ended.map(([status, some]) => `${count(some?.length ?? 0)} orders are ${status} (${some?.[0]?.id})`),
    answers.length > 0 && !wasFelt && `no order had to wait while ${service} was down: the outage was not felt`,
    drainedMs === undefined && 'the queue was never empty again',
  ].filter((problem) => problem !== false)
}

/** Each phase with its answers: rows for a table under {@link PHASE_HEADS}. */
export const PHASE_HEADS = ['while', 'orders', '201 confirmed', '202 parked', 'failed', 'p50', 'p99']

export function phaseRows({ service, answers }: Story): (string | number)[][] {
  const names: [string, string][] = [
    ['all is well', 'all is well'],
    ['down', `${service} is down`],
    ['back', `${service} is back`],
  ]
  return names.map(([phase, name]) => {
    const some = answers.filter((answer) => answer.phase === phase)
    const of = (kind: Answer['kind']) => some.filter((answer) => answer.kind === kind).length
    const ms = some.map((answer) => answer.ms)
    return [name, some.length, of('confirmed'), of('parked'), of('failed'), duration(percentile(ms, 0.5)), duration(percentile(ms, 0.99))]
  })
}

/** In one line, when nothing went wrong. */
export function praise({ service, answers, downMs, drainedMs = 0 }: Story): string {
  const parked = answers.filter(({ kind }) => kind === 'parked').length
  return (
    `${service} was down for ${duration(downMs)}: all ${count(answers.length)} orders were taken, ${count(parked)} of them waited, ` +
    `the queue was empty ${duration(drainedMs)} after its return, all are confirmed, the audit is clean`
  )
}
