import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { ERRORS, type ErrorCode } from '../platform/errors.ts'
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

const ON_EVERY_ROUTE: ErrorCode[] = ['invalid_request', 'overloaded', 'unavailable', 'internal_error']
const WITH_A_BODY: ErrorCode[] = ['invalid_json', 'body_too_large', 'unsupported_media_type']

const DESCRIPTION = `Takes orders, reserves the stock, takes the money and ships.

Money is in minor units (cents) with a currency; times are ISO 8601; lists have a cursor (\`next\`). Errors are problem+json (RFC 9457) with a stable \`code\`.

Send an \`Idempotency-Key\` with each order: the same key with the same body gets the same order, however often it is sent.`

type Document = { paths?: Record<string, unknown>; components?: { schemas?: Record<string, unknown> } }
type Operation = { responses: Record<string, unknown>; requestBody?: unknown; parameters?: unknown[] }
export type Served = { method: string; url: string; problems: readonly ErrorCode[] }

export const openApi = (served: readonly Served[]): FastifyDynamicSwaggerOptions => ({
  openapi: {
    openapi: '3.1.0',
    info: { title: 'Comanda', version: '0.1.0', description: DESCRIPTION, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    tags: ['orders', 'queue', 'products', 'shipments', 'payments', 'health', 'faults', 'errors'].map((name) => ({ name })),
  },
  transformObject: (given) => {
    const document = ('openapiObject' in given ? given.openapiObject : {}) as Document
    for (const route of served) addProblems(document, route)
    document.components = { ...document.components, schemas: { ...document.components?.schemas, Problem: ProblemView } }
    return document as ReturnType<NonNullable<FastifyDynamicSwaggerOptions['transformObject']>>
  },
})

function addProblems({ paths = {} }: Document, { method, url, problems }: Served): void {
  const item = paths[url.replace(/:(\w+)/g, '{$1}')] as Record<string, Operation> | undefined
  const operation = item?.[method.toLowerCase()]
  if (!operation) return
  const codes = [...ON_EVERY_ROUTE, ...(operation.requestBody ? WITH_A_BODY : []), ...problems]
  for (const [status, group] of Object.entries(Object.groupBy(codes, (code) => String(ERRORS[code].status)))) {
    operation.responses[status] ??= {
      description: (group ?? []).map((code) => `\`${code}\`: ${ERRORS[code].title}`).join('; '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    }
  }
}
