import type { FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { type Credential, isScope, readKey, type Scope } from '../../platform/api-key.ts'
import type { Log } from '../../platform/log.ts'
import type { Answer } from '../../platform/outcome.ts'
import type { App } from '../dependencies.ts'
import { asProblem, doneOrThrow, Problem } from '../errors.ts'
import type { Caller } from './caller.ts'
import type { KeyMemory } from './key-memory.ts'
import { refuseForeignPages } from './own-pages.ts'
import type { RateLimit } from './rate-limit.ts'

/** The gateway's door: who comes in, with which key, for what, and how often. */

/** `open`: for everybody, always. `docs`: the API's description: open on a loopback address, else for any key. */
export type RouteScope = Scope | 'open' | 'docs'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a key must be allowed to use this route. A route without it stops the start. */
    scope?: RouteScope
  }
  interface FastifyRequest {
    /** Takes a token of the caller's; seconds until there is one again, 0 when there was. Undefined: no limit. */
    spend: (() => number) | undefined
    /** Looks at the key again, since a body in bulk may come in for hours. @throws a Problem when it is not good any more. Undefined: no keys. */
    checkAgain: (() => Promise<void>) | undefined
  }
}

export type Access = {
  /** Without keys: whether pages of other sites are kept out. */
  isForThisMachine?: boolean
  /** Undefined: no keys are asked for. */
  keys?: KeyMemory | undefined
  docsAreOpen: boolean
  limit?: RateLimit | undefined
}

export function scopeOf({ url, scope }: { url: string; scope: RouteScope | undefined }): RouteScope {
  // The page's own routes are made by its plugin.
  if (scope === undefined && /^\/docs(\/|$)/.test(url)) return 'docs'
  if (scope === 'open' || scope === 'docs' || isScope(scope)) return scope
  throw new Error(`the route ${url} does not say which scope it needs (config.scope)`)
}

export function keepGate(app: App, { keys, docsAreOpen, isForThisMachine, limit, log }: Access & { log: Log }): void {
  app.decorateRequest('caller', undefined)
  app.decorateRequest('spend', undefined)
  app.decorateRequest('checkAgain', undefined)
  if (isForThisMachine) refuseForeignPages(app)
  if (keys) app.addHook('onRequest', (request, _reply, done) => admit(request, { keys, docsAreOpen, log }, done))
  if (limit) app.addHook('onRequest', (request, _reply, done) => meter(request, { limit, log }, done))
}

const CAN_NOT_CHECK = new Problem('unavailable', 'the key can not be checked: orders can not be reached', { retryAfter: 1 })

type Gate = { keys: KeyMemory; docsAreOpen: boolean; log: Log }

function admit(request: FastifyRequest, gate: Gate, next: HookHandlerDoneFunction): void {
  const { scope } = request.routeOptions.config
  // What is not there is told to everybody: the routes are no secret.
  if (request.is404 || scope === 'open' || (scope === 'docs' && gate.docsAreOpen)) return void next()
  const deny = (error: unknown, keyId?: string) => {
    const { id: request_id, method, ip: address } = request
    gate.log.warn(
      { request_id, code: asProblem(error).code, key_id: keyId, scope, method, path: request.routeOptions.url, address },
      'access denied',
    )
    next(error as Error)
  }
  let credential: Credential | undefined
  const enter = (answer: Answer<Caller>) => {
    try {
      const caller = doneOrThrow(answer)
      if (scope !== 'docs' && !caller.scopes.has(scope as Scope)) throw new Problem('scope_missing', `this key lacks the scope ${scope}`)
      request.caller = caller
    } catch (error) {
      return deny(error, credential?.keyId)
    }
    next()
  }
  try {
    const shown = credentialOf(request)
    credential = shown
    request.checkAgain = () => checkAgain(gate.keys, shown)
    const answer = gate.keys.check(shown)
    if (answer instanceof Promise) answer.then(enter, () => deny(CAN_NOT_CHECK, shown.keyId))
    else enter(answer)
  } catch (error) {
    deny(error)
  }
}

async function checkAgain(keys: KeyMemory, credential: Credential): Promise<void> {
  const check = async () => keys.check(credential)
  doneOrThrow(
    await check().catch(() => {
      throw CAN_NOT_CHECK
    }),
  )
}

/** @throws key_missing, or key_invalid for what can't be a key. */
function credentialOf({ headers }: FastifyRequest): Credential {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]
  const text = bearer ?? headers['x-api-key']
  if (text === undefined)
    throw new Problem('key_missing', 'send Authorization: Bearer <key>; the command line takes it from COMANDA_API_KEY')
  const credential = typeof text === 'string' ? readKey(text) : undefined
  if (!credential) throw new Problem('key_invalid', 'this is no key: keys begin with cmd_')
  return credential
}

function meter(request: FastifyRequest, { limit, log }: { limit: RateLimit; log: Log }, next: HookHandlerDoneFunction): void {
  const { caller, ip, id: request_id } = request
  // Health checks go on whatever else their address sends.
  if (request.routeOptions.config.scope === 'open') return void next()
  const who = caller ? `key ${caller.keyId}` : `address ${ip}`
  request.spend = () => limit.take(who)
  const retryAfter = request.spend()
  if (retryAfter === 0) return void next()
  log.warn({ request_id, key_id: caller?.keyId, address: ip, path: request.routeOptions.url }, 'rate limited')
  next(tooOften(retryAfter))
}

export const tooOften = (retryAfter: number): Problem => new Problem('rate_limited', 'too many requests; nothing was done', { retryAfter })
