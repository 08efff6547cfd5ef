import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { SCOPES } from '../platform/api-key.ts'
import { ERRORS, type ErrorCode } from '../platform/errors.ts'
import { version } from '../platform/version.ts'
import type { Access, RouteScope } from './access/gate.ts'
import { ProblemView } from './view-schemas.ts'

/** The OpenAPI document: routes and schemas come from Fastify, the problems of each route from its `config.problems`. */

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Codes of the problems this route can answer with, beside those that every route has. */
    problems?: readonly ErrorCode[]
    /** Its body may come in for as long as it likes. */
    streams?: boolean
  }
}

const ON_EVERY_ROUTE: ErrorCode[] = ['invalid_request', 'foreign_page', 'overloaded', 'unavailable', 'internal_error']
const WITH_A_BODY: ErrorCode[] = ['invalid_json', 'body_too_large', 'unsupported_media_type']

const WITH_A_KEY: ErrorCode[] = ['key_missing', 'key_invalid', 'key_expired', 'scope_missing', 'rate_limited']

const DESCRIPTION = `Takes orders, reserves the stock, takes the money and ships.

Money is in minor units (cents) with a currency; times are ISO 8601; lists have a cursor (\`next\`). Errors are problem+json (RFC 9457) with a stable \`code\`.

Where keys are asked for, send \`Authorization: Bearer <key>\`; each route names the one scope that it needs.

Send an \`Idempotency-Key\` with each order: the same key with the same body gets the same order, however often it is sent.`

type Document = { paths?: Record<string, unknown>; components?: Record<string, Record<string, unknown>> }
type Operation = {
  responses: Record<string, unknown>
  requestBody?: unknown
  parameters?: unknown[]
  security?: unknown
  description?: string
}
export type Served = { method: string; url: string; scope: RouteScope; problems: readonly ErrorCode[] }

const SECURITY_SCHEMES = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: `A key of "comanda keys create", as Authorization: Bearer <key>. Scopes: ${inWords()}.`,
  },
  header: { type: 'apiKey', in: 'header', name: 'X-Api-Key', description: 'The same key in a header of its own.' },
}
function inWords(): string {
  return Object.entries(SCOPES)
    .map(([scope, meaning]) => `\`${scope}\`: ${meaning}`)
    .join('; ')
}

export const openApi = (served: readonly Served[], { keys }: Pick<Access, 'keys'> = {}): FastifyDynamicSwaggerOptions => ({
  openapi: {
    openapi: '3.1.0',
    info: { title: 'Comanda', version, description: DESCRIPTION, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    tags: ['orders', 'queue', 'products', 'shipments', 'payments', 'health', 'faults', 'errors'].map((name) => ({ name })),
  },
  transformObject: (given) => {
    const document = ('openapiObject' in given ? given.openapiObject : {}) as Document
    for (const route of served) addWhatIsKnown(document, { ...route, asksForKeys: keys !== undefined })
    const { schemas, ...components } = document.components ?? {}
    document.components = { ...components, securitySchemes: SECURITY_SCHEMES, schemas: { ...schemas, Problem: ProblemView } }
    return document as ReturnType<NonNullable<FastifyDynamicSwaggerOptions['transformObject']>>
  },
})

/** The scope and the problems of a route. */
function addWhatIsKnown({ paths = {} }: Document, { method, url, scope, problems, asksForKeys }: Served & { asksForKeys: boolean }): void {
  const item = paths[url.replace(/:(\w+)/g, '{$1}')] as Record<string, Operation> | undefined
  const operation = item?.[method.toLowerCase()]
  if (!operation) return
  const isOpen = scope === 'open'
  // Without keys the empty requirement says that none is needed.
  operation.security = isOpen ? [] : [{ bearer: [scope] }, { header: [scope] }, ...(asksForKeys ? [] : [{}])]
  if (!isOpen) operation.description = [operation.description, `Scope: \`${scope}\`.`].filter(Boolean).join('\n\n')
  const codes = [...ON_EVERY_ROUTE, ...(isOpen ? [] : WITH_A_KEY), ...(operation.requestBody ? WITH_A_BODY : []), ...problems]
  for (const [status, group] of Object.entries(Object.groupBy(codes, (code) => String(ERRORS[code].status)))) {
    operation.responses[status] ??= {
      description: (group ?? []).map((code) => `\`${code}\`: ${ERRORS[code].title}`).join('; '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    }
  }
}
