import { writeFileSync } from 'node:fs'
import { chance } from '../test/chaos/chance.ts'
import { CELL_PER_SECOND, chartOf, type Outcome, tableOf } from './cells-report.ts'

/**
 * npm run bench:cells: cells on paper. A flash crowd comes to one of 1,000 sellers; how many of the others' customers notice, by the number of cells? Queues of a measured
 * service rate and nothing else: no network, no database, no failure. The same seed gives the same table (docs/SCALING.md).
 */

const SEED = 46
const SELLERS = 1_000
/** All sellers together, and the crowd at one of them. */
const BASE_PER_SECOND = 400
const CROWD_PER_SECOND = 3_000
const [CROWD_FROM_S, CROWD_UNTIL_S, END_S] = [30, 90, 150]
/** ORDERS_AT_ONCE: what is under way in a cell at most; beyond that it refuses. */
const AT_ONCE = 1_000
const AGAIN_S = [1, 3] as const
const TRIES = 5

type Order = { at: number; first: number; tries: number; isCrowd: boolean; cell: number }

/** Plays one number of cells. Each is one queue that ends CELL_PER_SECOND orders a second, first come, first served. */
function play(cells: number): Outcome {
  const draw = chance(SEED, `cells ${cells}`)
  const place = chance(SEED, 'sellers')
  const homes = Array.from({ length: SELLERS }, () => Math.floor(place.number() * 5_040) % cells)
  const orders = arrivals(homes)
  const freeAt = new Float64Array(cells)
  const outcome: Outcome = {
    cells,
    others: { all: 0, first: 0, lost: 0, waitsMs: [] },
    crowd: { all: 0, first: 0, lost: 0, waitsMs: [] },
    touched: 0,
  }
  const others = homes.filter((home, seller) => seller !== 0 && home === homes[0]).length
  outcome.touched = others / (SELLERS - 1)
  const again: Order[] = []
  for (let next = take(orders, again); next; next = take(orders, again)) {
    const tally = next.isCrowd ? outcome.crowd : outcome.others
    if (next.tries === 0) tally.all++
    const waits = Math.max(0, (freeAt[next.cell] ?? 0) - next.at)
    if (waits * CELL_PER_SECOND < AT_ONCE) {
      if (next.tries === 0) tally.first++
      freeAt[next.cell] = next.at + waits + 1 / CELL_PER_SECOND
      tally.waitsMs.push((next.at + waits - next.first) * 1_000)
    } else if (next.tries + 1 < TRIES) insert(again, { ...next, at: next.at + draw.between(...AGAIN_S), tries: next.tries + 1 })
    else tally.lost++
  }
  return outcome
}

/** The same customers whatever the number of cells: sellers of different size (Zipf), the crowd at the first. */
function arrivals(homes: readonly number[]): Order[] {
  const draw = chance(SEED, 'arrivals')
  const weights = homes.map((_, i) => 1 / (i + 1))
  const total = weights.reduce((sum, one) => sum + one, 0)
  const shares: number[] = []
  for (const [i, weight] of weights.entries()) shares[i] = (shares[i - 1] ?? 0) + weight / total
  const found: Order[] = []
  const stream = (perSecond: number, from: number, until: number, seller: () => number, isCrowd: boolean) => {
    for (let at = from; ; ) {
      at += -Math.log(1 - draw.number()) / perSecond
      if (at >= until) return
      found.push({ at, first: at, tries: 0, isCrowd, cell: homes[seller()] ?? 0 })
    }
  }
  const anySeller = () => {
    const number = draw.number()
    // The crowd's seller has its usual customers besides; they count with the crowd's cell, and as others.
    return Math.max(
      0,
      shares.findIndex((share) => number < share),
    )
  }
  stream(BASE_PER_SECOND, 0, END_S, anySeller, false)
  stream(CROWD_PER_SECOND, CROWD_FROM_S, CROWD_UNTIL_S, () => 0, true)
  return found.sort((one, other) => one.at - other.at)
}

let cursor = 0
function take(orders: readonly Order[], again: Order[]): Order | undefined {
  const [fresh, back] = [orders[cursor], again[0]]
  if (back && (!fresh || back.at < fresh.at)) return again.shift()
  if (fresh) cursor++
  else cursor = 0
  return fresh
}

/** Into its place by time: the list is short and nearly all go to its end. */
function insert(list: Order[], order: Order): void {
  let [low, high] = [0, list.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((list[middle]?.at ?? 0) <= order.at) low = middle + 1
    else high = middle
  }
  list.splice(low, 0, order)
}

const outcomes = [1, 2, 4, 8, 16].map(play)
process.stdout.write(`${tableOf(outcomes)}\n`)
writeFileSync(new URL('../docs/performance/cells.svg', import.meta.url), chartOf(outcomes))
