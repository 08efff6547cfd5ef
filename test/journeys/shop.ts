import { spawn } from 'node:child_process'
import type { System } from '../support/system.ts'
import { until } from '../support/until.ts'

/** A client of the running system: what a shop's back end would do. */

export type Json = Record<string, unknown> & { id: string; status: string; code?: string; order_id?: string; total_minor: number }
export type Reply = { status: number; headers: Headers; body: Json }

export function shop(system: System) {
  const call = async (
    method: string,
    path: string,
    { body, headers = {} }: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Reply> => {
    const answer = await fetch(system.url + path, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, body: (text ? JSON.parse(text) : {}) as Json }
  }
  const final = (id: string, seconds = 40) =>
    until(
      `order ${id} to end`,
      async () => {
        const { status, body } = await call('GET', `/orders/${id}`).catch(() => ({ status: 0, body: undefined }))
        return status === 200 && body && body.status !== 'pending' && !body.waiting ? body : undefined
      },
      seconds,
    )
  return {
    call,
    final,
    place: (items: Record<string, number>, more: Record<string, unknown> = {}, headers: Record<string, string> = {}) =>
      call('POST', '/orders', { body: order(items, more), headers }),
    order: (id: string) => call('GET', `/orders/${id}`).then((reply) => reply.body),
    async product(id: string, on_hand: Record<string, number>, more: Record<string, unknown> = {}) {
      const stock = Object.entries(on_hand).map(([location_id, units]) => ({ location_id, on_hand: units }))
      const reply = await call('POST', '/products', {
        body: { id, name: `Product ${id}`, unit_price_minor: 1_000, currency: 'EUR', weight_grams: 100, stock, ...more },
      })
      if (reply.status !== 201) throw new Error(`product ${id}: ${reply.status} ${JSON.stringify(reply.body)}`)
    },
    /** Units of a product: on hand and reserved, over all locations. */
    async stock(id: string) {
      const { body } = await call('GET', `/products/${id}`)
      const levels = body.stock as { on_hand: number; reserved: number }[]
      return {
        on_hand: levels.reduce((sum, level) => sum + level.on_hand, 0),
        reserved: levels.reduce((sum, level) => sum + level.reserved, 0),
      }
    },
    events: async (id: string) =>
      ((await call('GET', `/orders/${id}/events`)).body.events as { type: string }[]).map((event) => event.type),
  }
}

export function order(items: Record<string, number>, more: Record<string, unknown> = {}) {
  return {
    user_id: 'u123',
    items: Object.entries(items).map(([product_id, quantity]) => ({ product_id, quantity })),
    payment_method: 'credit_card',
    ...more,
  }
}

/** Runs `comanda …` against the system. Not awaited synchronously: the command line runs while the test goes on. */
export function comanda(system: System, ...args: string[]): Promise<{ code: number | null; out: string }> {
  const child = spawn(process.execPath, ['src/cli/main.ts', ...args], {
    env: { ...system.env, COMANDA_URL: system.url },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      out += chunk
    })
  return new Promise((resolve, reject) => child.once('error', reject).once('close', (code) => resolve({ code, out })))
}
