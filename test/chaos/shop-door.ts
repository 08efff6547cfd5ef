import type { Chance } from './chance.ts'
import type { Journal } from './journal.ts'
import type { Body } from './shopping.ts'

/** REST as a customer reaches it who trusts nobody: any gateway, a limit on each wait, everything in the journal first. */

export type OrderSeen = { id: string; status: string; waiting: unknown; shipments: { id: string }[] }
export type Answer = { status: number; body: Partial<OrderSeen> & { code?: string; order_id?: string } }

/** What can be asked for, by the id of what. */
const PATHS = {
  cancel: (orderId: string) => `/orders/${orderId}/cancel`,
  dispatch: (shipmentId: string) => `/shipments/${shipmentId}/dispatch`,
  deliver: (shipmentId: string) => `/shipments/${shipmentId}/deliver`,
  receive: (productId: string) => `/products/${productId}/receive`,
}
const PATIENCE_MS = 12_000

export type Door = {
  /** One try. Undefined: no answer, or one that says "later". */
  place(order: { key: string; body: Body; prefer: string | undefined; gateway: number }): Promise<Answer | undefined>
  /** How the order stands; undefined when nobody says. */
  look(orderId: string): Promise<OrderSeen | undefined>
  /** Asks for something, once. */
  ask(what: keyof typeof PATHS, id: string, body?: unknown): Promise<Answer | undefined>
  /** Requests by how they ended; `taken`: orders answered for, a repeat counts again. */
  counts: { answered: number; later: number; silent: number; internal: number; taken: number }
}

/** Asks the gateway of that number, or another in its place. */
export type Reach = (gateway: number, path: string, init: RequestInit) => Promise<Response>
type Options = { gateways: readonly string[]; journal: Journal; chance: Chance; reach?: Reach | undefined }

const itself =
  (gateways: readonly string[]): Reach =>
  (gateway, path, init) =>
    fetch(`${gateways[gateway % gateways.length]}${path}`, init)

export function shopDoor({ gateways, journal, chance, reach = itself(gateways) }: Options): Door {
  const counts = { answered: 0, later: 0, silent: 0, internal: 0, taken: 0 }

  const call = async (gateway: number, path: string, init: RequestInit = {}): Promise<Answer | Error> => {
    try {
      const response = await reach(gateway, path, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) })
      const body = (await response.json()) as Answer['body']
      if (response.status === 429 || response.status >= 500) {
        counts.later++
        if (response.status === 500) counts.internal++
        return new Error(`${response.status} ${body.code}`)
      }
      counts.answered++
      return { status: response.status, body }
    } catch (error) {
      counts.silent++
      return error as Error
    }
  }
  const post = (body: unknown, headers: Record<string, string> = {}) => ({
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const anyGateway = () => chance.whole(0, gateways.length - 1)

  return {
    counts,
    async place({ key, body, prefer, gateway }) {
      await journal.write({ kind: 'sends', key, body, to: gateway % gateways.length })
      const from = performance.now()
      const answer = await call(gateway, '/orders', post(body, { 'idempotency-key': key, ...(prefer && { prefer }) }))
      if (answer instanceof Error) {
        await journal.write({ kind: 'not answered', key, why: answer.message })
        return undefined
      }
      const { id = answer.body.order_id, status = id && 'rejected', code } = answer.body as Partial<OrderSeen> & Answer['body']
      const isOrder = answer.status < 300 || answer.body.order_id !== undefined
      await journal.write({
        ...{ kind: 'answered', key, status: answer.status, from, until: performance.now() },
        ...(isOrder && id !== undefined && { order_id: id, order_status: answer.status < 300 ? String(status) : 'rejected' }),
        ...(code !== undefined && { code }),
      })
      if (answer.status < 300) counts.taken++
      return answer
    },
    async look(orderId) {
      const from = performance.now()
      const answer = await call(anyGateway(), `/orders/${orderId}`)
      if (answer instanceof Error) return undefined
      // An order that was promised and is not found counts as a status of its own, from which there is no way on.
      const order = answer.status === 200 ? (answer.body as OrderSeen) : { id: orderId, status: 'not found', waiting: null, shipments: [] }
      await journal.write({ kind: 'saw', order_id: orderId, order_status: order.status, from, until: performance.now() })
      return order
    },
    async ask(what, id, body) {
      await journal.write({ kind: 'asks', what, id, ...(body !== undefined && { body }) })
      const answer = await call(anyGateway(), PATHS[what](id), body === undefined ? { method: 'POST' } : post(body))
      if (answer instanceof Error) return undefined
      const { code } = answer.body
      await journal.write({ kind: 'told', what, id, status: answer.status, ...(code !== undefined && { code }) })
      return answer
    },
  }
}
