import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Api } from '../api.ts'
import { count, duration } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { type Crowd, startCrowd } from './crowd.ts'
import { type Moment, type Phase, startPicture } from './picture.ts'
import { type Outage, readOrders, readWaiting, requireReady, stockFor, takeDown } from './shop.ts'
import type { Story } from './verdict.ts'

/** Orders at a steady rate while a service goes down and comes back; then until all of them have ended. */

export type OutageOptions = { seconds: number; perSecond: number; service: string; kind: Outage['kind'] }

const LOOK_EVERY_MS = 500
/** Parts of the time under load: before, during and after the outage. */
const PARTS = { before: 0.25, during: 0.5 }
/** Far more than any drain needs; what has not ended then is told. */
const DRAIN_AT_MOST_MS = 180_000
/** A killed service is killed again until this much before the end, so that the last start has time. */
const LAST_KILL_BEFORE_END_MS = 1_000

export async function runOutage(api: Api, terminal: Terminal, options: OutageOptions): Promise<Story> {
  const { seconds, perSecond, service, kind } = options
  await requireReady(api)
  const userId = `demo-${randomBytes(6).toString('hex')}`
  const productId = await stockFor(api, { orders: Math.ceil(seconds * perSecond) + 10, receiptId: userId })

  const began = performance.now()
  const downAt = began + PARTS.before * seconds * 1_000
  const backAt = downAt + PARTS.during * seconds * 1_000
  const loadEndsAt = began + seconds * 1_000
  const phaseNow = (): Phase => {
    const now = performance.now()
    return now < downAt ? 'all is well' : now < backAt ? 'down' : now < loadEndsAt ? 'back' : 'draining'
  }
  const crowd = startCrowd(api, { userId, productId, perSecond, phase: phaseNow })
  const picture = startPicture(terminal, { columns: process.stderr.columns ?? 80 })
  const watch = watcher(api, crowd)
  const look = async (): Promise<Moment> => {
    const moment = await watch(phaseNow())
    picture.show(words(moment.phase, service, { answered: crowd.answers.length, ms: performance.now() - began }), moment)
    return moment
  }

  try {
    await lookUntil(downAt, look)
    if (kind === 'unavailable') await takeDown(api, { service, kind, forMs: backAt - performance.now() })
    await lookUntil(backAt, async () => {
      if (kind === 'crash-before') await kill(api, { service, kind, forMs: backAt - performance.now() - LAST_KILL_BEFORE_END_MS })
      return look()
    })
    const drained = { ms: undefined as number | undefined }
    const untilEmpty = async () => {
      if ((await look()).waiting === 0) drained.ms ??= Math.max(0, performance.now() - backAt)
    }
    await lookUntil(loadEndsAt, untilEmpty)
    await crowd.stop()
    const giveUpAt = performance.now() + DRAIN_AT_MOST_MS
    while (performance.now() < giveUpAt && (await hasPending(api, userId))) {
      await untilEmpty()
      await delay(LOOK_EVERY_MS)
    }
    await untilEmpty()
    return { service, answers: crowd.answers, orders: await readOrders(api, userId), downMs: backAt - downAt, drainedMs: drained.ms }
  } finally {
    await crowd.stop()
    picture.end()
  }
}

/** Who starts again has forgotten the fault, so it is set again and again. It may strike before it is answered: then there is no answer. */
async function kill(api: Api, fault: Outage): Promise<void> {
  if (fault.forMs > 0) await takeDown(api, fault).catch(() => undefined)
}

async function hasPending(api: Api, userId: string): Promise<boolean> {
  const { orders } = await api.get<{ orders: unknown[] }>(`/orders?user_id=${userId}&status=pending&limit=1`)
  return orders.length > 0
}

async function lookUntil(end: number, look: () => Promise<unknown>): Promise<void> {
  while (performance.now() < end) {
    await look()
    await delay(Math.max(0, Math.min(LOOK_EVERY_MS, end - performance.now())))
  }
}

/** Turns the crowd's answers and the queue's length into what happened since the last look, per second. */
function watcher(api: Api, crowd: Crowd): (phase: Phase) => Promise<Moment> {
  let last = { at: performance.now(), read: 0, waiting: 0 }
  return async (phase) => {
    const waiting = await readWaiting(api)
    const fresh = crowd.answers.slice(last.read)
    const at = performance.now()
    const ms = Math.max(1, at - last.at)
    const perSecond = (number: number) => Math.round((number * 1_000) / ms)
    const of = (kind: (typeof fresh)[number]['kind']) => fresh.filter((answer) => answer.kind === kind).length
    const drained = Math.max(0, last.waiting + of('parked') - waiting)
    last = { at, read: last.read + fresh.length, waiting }
    return {
      ...{ phase, waiting, placed: perSecond(fresh.length), confirmed: perSecond(of('confirmed')), parked: perSecond(of('parked')) },
      ...{ drained: perSecond(drained), failed: perSecond(of('failed')) },
    }
  }
}

function words(phase: Phase, service: string, { answered, ms }: { answered: number; ms: number }): string {
  const what = phase === 'all is well' || phase === 'draining' ? phase : `${service} is ${phase}`
  return `${duration(ms).padStart(7)} · ${what} · ${count(answered)} orders`
}
