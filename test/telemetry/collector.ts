import { httpServer } from '../support/http-server.ts'

/** A span as it came over OTLP/HTTP. */
export type Sent = {
  service: string
  name: string
  kind: number
  traceId: string
  spanId: string
  parentSpanId: string
  links: string[]
  attributes: Record<string, unknown>
}
type Wire = {
  resourceSpans: {
    resource: { attributes: Pair[] }
    scopeSpans: { spans: (Omit<Sent, 'service' | 'attributes' | 'links'> & { attributes: Pair[]; links?: { traceId: string }[] })[] }[]
  }[]
}
type Pair = { key: string; value: { stringValue?: string; intValue?: number | string; boolValue?: boolean } }

/** What takes traces in: keeps them to be looked at. */
export type Collector = { url: string; spans: Sent[]; stop(): Promise<unknown> }

export async function startCollector(): Promise<Collector> {
  const spans: Sent[] = []
  const server = httpServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    if (request.url === '/v1/traces') spans.push(...spansOf(JSON.parse(Buffer.concat(chunks).toString()) as Wire))
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    stop() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

const spansOf = ({ resourceSpans }: Wire): Sent[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ attributes, links = [], parentSpanId = '', ...span }) => ({
        ...span,
        parentSpanId,
        service: String(valuesOf(resource.attributes)['service.name']),
        links: links.map(({ traceId }) => traceId),
        attributes: valuesOf(attributes),
      })),
    ),
  )

const valuesOf = (pairs: Pair[]) =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, value.stringValue ?? value.boolValue ?? Number(value.intValue)]))
