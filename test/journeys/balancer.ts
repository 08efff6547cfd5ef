import { until } from '../support/until.ts'

/**
 * Sends each request to the next gateway that is ready, as a load balancer does that asks for their readiness, and never a second time. Where none says that it is
 * ready, to all that answer: so do those of AWS, since a gateway that can't reach orders in time still answers better than nobody.
 */
export type Balancer = {
  /** @throws when the gateway does not answer. */
  fetch(path: string, init?: RequestInit): Promise<Response>
  /** Resolves when it sends to all of them. */
  all(): Promise<unknown>
  stop(): Promise<void>
}

const EVERY_MS = 100

export function openBalancer(gateways: readonly string[]): Balancer {
  let ready: string[] = []
  let there: string[] = []
  let turn = 0
  let stopped = false
  const look = async () => {
    const answers = await Promise.all(gateways.map((url) => fetch(`${url}/readyz`).catch(() => undefined)))
    for (const answer of answers) await answer?.arrayBuffer()
    ready = gateways.filter((_, i) => answers[i]?.ok)
    there = gateways.filter((_, i) => answers[i])
  }
  const looking = (async () => {
    while (!stopped) {
      await look()
      await new Promise((again) => setTimeout(again, EVERY_MS))
    }
  })()
  return {
    fetch(path, init) {
      const open = ready.length > 0 ? ready : there
      const gateway = open[turn++ % open.length]
      if (!gateway) throw new Error('no gateway answers')
      return fetch(gateway + path, init)
    },
    all: () => until('all gateways to be ready', () => ready.length === gateways.length, 60),
    async stop() {
      stopped = true
      await looking
    },
  }
}
