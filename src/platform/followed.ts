import type { Database, Transaction } from './postgres.ts'
import { type Attributes, type NewSpan, type Span, type TraceParent, tracer } from './tracing.ts'

/**
 * What is done for many orders at once, statements and calls to the outside, seen in the trace of each that is traced. Who works on a batch says for whom, and is
 * handed what it works with as it was, or with spans around it. Off it is as it was, always.
 */
type Followed = { orderId?: string; traceparent?: string | undefined }

type Begin = (name: string, attributes: Attributes) => Span[]

/** A database whose transactions, and queries beside them, are spans of all these. `name`: the database's. */
export function followed(db: Database, name: string, orders: readonly Followed[]): Database {
  const traces = tracer()
  const parents = traces ? orders.flatMap(({ traceparent }) => traceparent || []) : []
  if (!traces || parents.length === 0) return db
  const about = { 'db.system.name': 'postgresql', 'db.namespace': name, 'comanda.batch_size': orders.length }
  const begin: Begin = (words, attributes) =>
    parents.map((parent) => traces.start(words, { parent, kind: 'client', attributes: { ...about, ...attributes } }))
  return {
    // Its text holds no values: those travel apart.
    query: (statement) => ending(begin(`${name} query`, { 'db.query.summary': summaryOf(statement.text) }), () => db.query(statement)),
    transaction(work, options) {
      let tries = 0
      const run = (tx: Transaction) => {
        tries++
        return work(tx)
      }
      return ending(
        begin(`${name} transaction`, {}),
        () => db.transaction(run, options),
        () => ({ 'comanda.tries': tries }),
      )
    },
    close: () => db.close(),
  }
}

/** Enough to know it by; the whole would be most of what is sent. */
const summaryOf = (text: string) => text.trimStart().slice(0, 80).replace(/\s+/g, ' ').trimEnd()

type Call<Q, A> = (items: readonly Q[]) => Promise<readonly A[]>

/** Wraps a call to the outside about many: each item of an order that is traced is a span, with the kind of its answer. Undefined when none is. */
export function followCalls(orders: readonly Followed[]) {
  const traces = tracer()
  const parents = new Map<string, TraceParent>(
    traces ? orders.flatMap(({ orderId, traceparent }) => (orderId && traceparent ? [[orderId, traceparent]] : [])) : [],
  )
  if (!traces || parents.size === 0) return undefined
  return <Q, A extends { kind: string }>(name: string, call: Call<Q, A>, orderOf: (item: NoInfer<Q>) => string): Call<Q, A> =>
    async (items) => {
      const spans = items.map((item) => {
        const parent = parents.get(orderOf(item))
        return parent && traces.start(name, { parent, kind: 'client', attributes: { 'comanda.batch_size': items.length } })
      })
      try {
        const answers = await call(items)
        for (const [i, span] of spans.entries()) if (span) span.end({ attributes: { 'comanda.outcome': answers[i]?.kind ?? 'none' } })
        return answers
      } catch (error) {
        for (const span of spans) if (span) span.end(failure(error))
        throw error
      }
    }
}

/** A moment in the life of one order, or a stretch that ends now, such as its wait in a queue since then. */
export function followOne(traceparent: TraceParent, name: string, span: Omit<NewSpan, 'parent'>): Span | undefined {
  return traceparent === '' ? undefined : tracer()?.start(name, { parent: traceparent, ...span })
}

export const failure = (error: unknown) => ({ isError: true, attributes: { 'error.type': (error as Error)?.name ?? 'Error' } })

async function ending<T>(spans: readonly Span[], work: () => Promise<T>, attributes: () => Attributes = () => ({})): Promise<T> {
  try {
    const value = await work()
    for (const span of spans) span.end({ attributes: attributes() })
    return value
  } catch (error) {
    const { isError, attributes: why } = failure(error)
    for (const span of spans) span.end({ isError, attributes: { ...attributes(), ...why } })
    throw error
  }
}
