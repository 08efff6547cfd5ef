import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify'
import type { Log } from '../platform/log.ts'
import type { Access } from './access/gate.ts'
import type { Clients } from './clients.ts'
import type { Drain } from './drain.ts'
import type { FaultDesk } from './faults.ts'

/** What the routes are given: the app they hang themselves into, and what they work with. */
export type App = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>
export type GatewayDependencies = {
  clients: Clients
  /** Undefined: faults on purpose are off. */
  faults?: FaultDesk | undefined
  /** Undefined: open to everybody. */
  access?: Access | undefined
  /** Undefined: it never stops in an orderly way. */
  drain?: Drain | undefined
  waitMs: number
  /** Off: new orders are refused. On when left out. */
  takeOrders?: 'on' | 'off' | undefined
  /** Orders placed one by one that may be under way at once. */
  ordersAtOnce: number
  /** How late the event loop is, in ms; measured when left out. */
  lagMs?: (() => number) | undefined
  log: Log
}
