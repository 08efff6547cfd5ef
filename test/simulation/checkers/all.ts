import { moneyAlways, moneyAtRest } from './money.ts'
import { ordersAlways, ordersAtRest } from './orders.ts'
import { shipmentsAtRest } from './shipments.ts'
import { type Engines, readBacklog, type State, type Violation } from './state.ts'
import { stockAlways, stockAtRest } from './stock.ts'

export const violationsAlways = (state: State): Violation[] => [stockAlways, moneyAlways, ordersAlways].flatMap((check) => check(state))

export function violationsAtRest(state: State, engines: Engines): Violation[] {
  const backlog = Object.entries(readBacklog(engines)).map(([where, n]) => ({
    invariant: 'all queues are empty',
    details: `${where}: ${n}`,
  }))
  return [
    ...backlog,
    ...violationsAlways(state),
    ...[ordersAtRest, stockAtRest, moneyAtRest, shipmentsAtRest].flatMap((check) => check(state)),
  ]
}
