import { setTimeout as delay } from 'node:timers/promises'
import type { Api } from './api.ts'
import { showOrder, showWaiting } from './show-order.ts'
import type { Terminal } from './terminal.ts'
import type { EventJson, OrderJson } from './wire.ts'

const PAUSE_MS = 250

export type Watch = { id: string; until: 'decided' | 'ended'; form: 'text' | 'json' }

/** Prints the events of an order as they come, until it is where `until` says and nothing is left to be undone. */
export async function watchOrder(api: Api, terminal: Terminal, { id, until, form }: Watch): Promise<void> {
  const path = `/orders/${encodeURIComponent(id)}`
  const seen = new Set<string>()
  let waited = ''
  for (;;) {
    // The order first: events that come in between are shown, and none that belongs to what we saw is missed.
    const order = await api.get<OrderJson>(path)
    const { events } = await api.get<{ events: EventJson[] }>(`${path}/events`)
    for (const event of events.filter((one) => !seen.has(one.id))) {
      seen.add(event.id)
      terminal.out(form === 'json' ? JSON.stringify(event) : showEvent(terminal, event))
    }
    if (isThere(order, until)) {
      if (form === 'text') terminal.out(showOrder(terminal, order))
      return
    }
    const waiting = order.waiting?.service ? showWaiting({ ...order.waiting, next_try_at: null }) : ''
    if (form === 'text' && waiting && waiting !== waited) terminal.err(terminal.colors.dim(waiting))
    waited = waiting
    await delay(PAUSE_MS)
  }
}

function isThere(order: OrderJson, until: Watch['until']): boolean {
  if (order.waiting || order.status === 'pending') return false
  return until === 'decided' || !['confirmed', 'dispatched'].includes(order.status)
}

function showEvent({ colors }: Terminal, event: EventJson): string {
  const facts = Object.entries(event.data ?? {}).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return `${colors.dim(event.at)}  ${colors.bold(event.type.padEnd(22))} ${facts.join(' ')}`
}
