import { type Chance, chance } from './chance.ts'
import { pause } from './pause.ts'
import type { Answer, Door, OrderSeen } from './shop-door.ts'
import { drawDelivery, drawPlan, type Plan, RECEIPT } from './shopping.ts'

/**
 * Customers who never give up: each order is sent with its key until it has a final answer, and followed to its end. And a supplier of the same kind,
 * whose goods are to be counted once.
 */
export type Customers = {
  /** Orders begun, and those of them that have come to their end. */
  progress(): { begun: number; ended: number }
  /** Milliseconds from the first sending to the end as the customer saw it, by order. */
  tookMs: number[]
  /** No new orders. */
  close(): void
  /** Resolves when all that was begun has ended, or when they are sent home. */
  ended: Promise<void>
  /** Gives up on what is still open; @returns the keys. */
  sendHome(): string[]
  /** What no customer may be told, as it happened. */
  complaints: string[]
}

/** Between two tries, and then twice as long each time up to the longest: who waits must not be what keeps the system down. */
const AGAIN_MS = [100, 500] as const
const LOOK_MS = [200, 600] as const
const LONGEST_MS = 4_000
const LATER_MS = [300, 3_000] as const
const SUPPLY_MS = [500, 1_500] as const
/** At most this many orders open at once. */
const OPEN_AT_MOST = 150

type Options = { door: Door; seed: number; perSecond: number; leaveOut?: readonly string[] | undefined }

export function openShop({ door, seed, perSecond, leaveOut = [] }: Options): Customers {
  const open = new Map<string, Promise<void>>()
  const tookMs: number[] = []
  const complaints: string[] = []
  let begun = 0
  let isClosed = false
  let isHome = false
  const arrivals = chance(seed, 'arrivals')

  const begin = () => {
    // By its number, so that an order is the same whatever became of the others.
    const own = chance(seed, `order ${++begun}`)
    const plan = drawPlan(own, begun, leaveOut)
    const customer = customerOf({ door, chance: own, isHome: () => isHome, complain: (words) => void complaints.push(words) })
    const startedAt = performance.now()
    const shopping = customer(plan, () => tookMs.push(performance.now() - startedAt))
      .catch((error: Error) => void complaints.push(`${plan.key}: ${error.message}`))
      .then(() => void (isHome || open.delete(plan.key)))
    open.set(plan.key, shopping)
  }
  const supply = async () => {
    for (let n = 1; !isClosed; n++) {
      const own = chance(seed, `delivery ${n}`)
      const { productId, body } = drawDelivery(own, n)
      const delivery = insisting({ chance: own, isHome: () => isHome })(() => door.ask('receive', productId, body), AGAIN_MS)
      open.set(
        body.receipt_id,
        delivery.then(() => void (isHome || open.delete(body.receipt_id))),
      )
      await pause(own.between(...SUPPLY_MS))
    }
  }
  const run = async () => {
    void supply()
    while (!isClosed) {
      // Arrivals at random moments (a Poisson process).
      await pause((-Math.log(1 - arrivals.number()) * 1_000) / perSecond)
      if (!isClosed && open.size < OPEN_AT_MOST) begin()
    }
    while (open.size > 0 && !isHome) await pause(200)
  }
  return {
    progress: () => ({ begun, ended: begun - [...open.keys()].filter((key) => !key.startsWith(RECEIPT)).length }),
    tookMs,
    complaints,
    close: () => {
      isClosed = true
    },
    ended: run(),
    sendHome: () => {
      isHome = true
      return [...open.keys()]
    },
  }
}

type Means = { door: Door; chance: Chance; isHome(): boolean; complain(words: string): void }

/** Again and again until there is something. */
function insisting({ chance, isHome }: Pick<Means, 'chance' | 'isHome'>) {
  return async <T>(attempt: () => Promise<T | undefined>, betweenMs: readonly [number, number]): Promise<T | undefined> => {
    for (let tries = 0; ; tries++) {
      const found = await attempt()
      if (found !== undefined || isHome()) return found
      await pause(Math.min(LONGEST_MS, chance.between(...betweenMs) * 2 ** tries))
    }
  }
}

function customerOf({ door, chance, isHome, complain }: Means): (plan: Plan, atItsEnd: () => void) => Promise<void> {
  const insist = insisting({ chance, isHome })

  async function send({ key, body, prefer, twice }: Plan): Promise<Answer | undefined> {
    const first = chance.whole(0, 1)
    let tries = 0
    if (twice) {
      const both = await Promise.all([0, 1].map((gateway) => door.place({ key, body, prefer, gateway })))
      const [one, other] = both
      if (one && other && idOf(one) && idOf(other) && idOf(one) !== idOf(other))
        complain(`${key}: sent twice at once, it became ${idOf(one)} and ${idOf(other)}`)
      const answer = one ?? other
      if (answer) return answer
    }
    return insist(() => door.place({ key, body, prefer, gateway: first + tries++ }), AGAIN_MS)
  }

  const follow = (orderId: string, isEnd: (order: OrderSeen) => boolean) =>
    insist(async () => {
      const order = await door.look(orderId)
      return order && isEnd(order) ? order : undefined
    }, LOOK_MS)

  async function sendAgain(plan: Plan, orderId: string | undefined): Promise<void> {
    if (plan.again === 'no') return
    const body = plan.again === 'same body' ? plan.body : { ...plan.body, user_id: 'somebody-else' }
    const answer = await insist(() => door.place({ ...plan, body, gateway: chance.whole(0, 1) }), AGAIN_MS)
    if (!answer) return
    if (plan.again === 'same body' && orderId && idOf(answer) !== orderId)
      complain(`${plan.key}: sent again it was ${idOf(answer)} instead of ${orderId}`)
    if (plan.again === 'other body' && orderId && answer.body.code !== 'idempotency_key_reused')
      complain(`${plan.key}: sent again with another body it was answered ${answer.status} ${answer.body.code ?? idOf(answer)}`)
  }

  async function doTheRest({ afterwards }: Plan, order: OrderSeen): Promise<void> {
    if (afterwards === 'nothing' || order.status !== 'confirmed') return
    await pause(chance.between(...LATER_MS))
    if (afterwards === 'cancel later') await insist(() => door.ask('cancel', order.id), AGAIN_MS)
    if (!afterwards.startsWith('dispatch')) return
    const dispatch = async () => {
      for (const { id } of order.shipments) await insist(() => door.ask('dispatch', id), AGAIN_MS)
    }
    const cancel = afterwards === 'dispatch and cancel' ? insist(() => door.ask('cancel', order.id), AGAIN_MS) : undefined
    await Promise.all([dispatch(), cancel])
    if (afterwards === 'dispatch and deliver') for (const { id } of order.shipments) await insist(() => door.ask('deliver', id), AGAIN_MS)
    await follow(order.id, ({ status, waiting }) => waiting === null && status !== 'confirmed')
  }

  return async (plan, atItsEnd) => {
    const answer = await send(plan)
    const orderId = answer && idOf(answer)
    if (orderId && plan.afterwards === 'cancel at once') await insist(() => door.ask('cancel', orderId), AGAIN_MS)
    const order = orderId && (await follow(orderId, ({ status, waiting }) => status !== 'pending' && waiting === null))
    if (isHome()) return
    atItsEnd()
    await sendAgain(plan, orderId || undefined)
    if (order) await doTheRest(plan, order)
  }
}

const idOf = ({ body }: Answer): string | undefined => body.order_id ?? body.id
