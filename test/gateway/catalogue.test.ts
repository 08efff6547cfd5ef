import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App } from '../../src/gateway/dependencies.ts'
import { ERRORS } from '../../src/platform/errors.ts'
import { gatewayWith } from './fakes.ts'

/** What is promised in writing: the error codes, and the OpenAPI document. */

let app: App
beforeAll(async () => {
  app = await gatewayWith({})
})
afterAll(() => app.close())

describe('docs/ERRORS.md', () => {
  const rows = [...readFileSync('docs/ERRORS.md', 'utf8').matchAll(/^\| `(\w+)` +\| (\d+) +\| (.*?) +\| (.*?) +\|$/gm)]

  it('has every code of the catalogue with its words, in order, and no other', () => {
    const documented = rows.map(([, code, status, title, meaning]) => [code, { status: Number(status), title, meaning }])
    expect(documented).toEqual(Object.entries(ERRORS))
  })

  it('lists no code that nothing can answer', () => {
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.ts') && name !== join('platform', 'errors.ts'),
    )
    const text = sources.map((name) => readFileSync(join('src', name), 'utf8')).join('\n')
    expect(Object.keys(ERRORS).filter((code) => !text.includes(`'${code}'`))).toEqual([])
  })

  it('is served code by code, where the type of each problem leads', async () => {
    for (const [code, entry] of Object.entries(ERRORS)) expect((await app.inject(`/errors/${code}`)).json()).toEqual({ code, ...entry })
    expect((await app.inject('/errors/toString')).statusCode).toBe(404)
  })
})

type Operation = {
  summary?: string
  tags?: string[]
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>
}
type Document = { openapi: string; paths: Record<string, Record<string, Operation & { parameters?: { in: string; name: string }[] }>> }

describe('the OpenAPI document', () => {
  let document: Document
  beforeAll(async () => {
    document = (await app.inject('/openapi.json')).json()
  })
  const operations = () =>
    Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
    )

  it('is of version 3.1 and lists every route that is served', () => {
    expect(document.openapi).toMatch(/^3\.1\./)
    const told = operations().map(({ method, path }) => `${method.toUpperCase()} ${path}`)
    expect(told.toSorted()).toEqual([
      'DELETE /faults',
      'GET /dead-letters',
      'GET /dead-letters/messages',
      'GET /discrepancies',
      'GET /erasures',
      'GET /errors/{id}',
      'GET /faults',
      'GET /healthz',
      'GET /orders',
      'GET /orders/{id}',
      'GET /orders/{id}/events',
      'GET /orders/{id}/explain',
      'GET /payments/{id}',
      'GET /products',
      'GET /products/{id}',
      'GET /queue',
      'GET /readyz',
      'GET /reconciliations/{id}',
      'GET /shipments/{id}',
      'POST /dead-letters/cancel',
      'POST /dead-letters/messages/discard',
      'POST /dead-letters/messages/retry',
      'POST /dead-letters/retry',
      'POST /dead-letters/{id}/cancel',
      'POST /dead-letters/{id}/retry',
      'POST /discrepancies/release',
      'POST /erasures',
      'POST /faults',
      'POST /orders',
      'POST /orders/bulk',
      'POST /orders/{id}/cancel',
      'POST /products',
      'POST /products/{id}/adjust',
      'POST /products/{id}/receive',
      'POST /reconciliations',
      'POST /shipments/{id}/deliver',
      'POST /shipments/{id}/dispatch',
    ])
  })

  it('says of each route what it does, what it answers, and which problems it has', () => {
    for (const { path, method, operation } of operations()) {
      const what = `${method} ${path}`
      expect(operation.summary, what).toBeTruthy()
      expect(operation.tags, what).toHaveLength(1)
      const statuses = Object.keys(operation.responses)
      expect(
        statuses.some((status) => status.startsWith('2')),
        what,
      ).toBe(true)
      expect(statuses, what).toEqual(expect.arrayContaining(['400', '500', '503']))
      for (const name of path.matchAll(/\{(\w+)\}/g))
        expect(operation.parameters, what).toContainEqual(expect.objectContaining({ in: 'path', name: name[1] }))
    }
    const { responses } = (document.paths['/orders'] as Record<string, Operation>).post as Operation
    expect(Object.keys(responses)).toEqual(
      expect.arrayContaining(['200', '201', '202', '400', '402', '409', '413', '415', '422', '500', '503']),
    )
    expect(responses['402']?.content).toHaveProperty(['application/problem+json'])
    expect(responses['409']?.description).toContain('out_of_stock')
  })

  it('has no reference that leads nowhere', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path as string)
    expect(references.length).toBeGreaterThan(0)
    for (const path of new Set(references)) {
      const found = path.split('/').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document)
      expect(found, path).toBeDefined()
    }
  })
})

it('/docs is a page that needs nothing from elsewhere', async () => {
  const page = await app.inject('/docs')
  expect(page.statusCode).toBe(200)
  expect(page.headers['content-security-policy']).toContain("default-src 'self'")
  const parts = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, part]) => part as string)
  expect(parts.length).toBeGreaterThan(2)
  for (const part of parts) {
    expect(part).not.toMatch(/^(https?:)?\/\//)
    expect((await app.inject(new URL(part, 'http://here/docs/').pathname)).statusCode, part).toBe(200)
  }
})
