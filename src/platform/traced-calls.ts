import type { ClientMiddleware, ServerMiddleware } from 'nice-grpc'
import type { Attributes, Span, Tracer } from './tracing.ts'

/**
 * A call carries many orders, each in a trace of its own: so it has a span for each command that says what it comes from, and none by itself. Commands that
 * come from nowhere, and calls without commands, are not traced.
 */

type Command = { orderId?: string; traceparent?: string }
/** Whatever they are: they are passed on. */
type Answers = AsyncGenerator<never, never, undefined>
type Outcome = { outcome?: { $case: string; value?: { code?: string } } }

export function traceServed(tracer: Tracer): ServerMiddleware {
  return async function* (call, context) {
    const spans = begin(tracer, { kind: 'server', path: call.method.path, request: call.request })
    if (!spans) return yield* call.next(call.request, context)
    return yield* traced(call.next(withSpans(call.request, spans), context) as Answers, spans)
  }
}

export function traceMade(tracer: Tracer): ClientMiddleware {
  return async function* (call, options) {
    const spans = begin(tracer, { kind: 'client', path: call.method.path, request: call.request })
    if (!spans) return yield* call.next(call.request, options)
    return yield* traced(call.next(withSpans(call.request, spans), options) as Answers, spans)
  }
}

type Begun = { kind: 'server' | 'client'; path: string; request: unknown }

/** By the index of the command; undefined when none is traced. */
function begin(tracer: Tracer, { kind, path, request }: Begun): (Span | undefined)[] | undefined {
  const { commands } = request as { commands?: Command[] }
  if (!Array.isArray(commands) || !commands.some((command) => command.traceparent)) return undefined
  const [, service = '', method = ''] = path.split('/')
  const size = commands.length
  return commands.map(({ traceparent = '', orderId = '' }) =>
    traceparent === ''
      ? undefined
      : tracer.start(`${service}/${method}`, {
          ...{ kind, parent: traceparent },
          attributes: {
            'rpc.system': 'grpc',
            'rpc.service': service,
            'rpc.method': method,
            'comanda.order_id': orderId,
            'comanda.batch_size': size,
          },
        }),
  )
}

const withSpans = <R>(request: R, spans: (Span | undefined)[]): R => {
  const { commands } = request as { commands: Command[] }
  return { ...request, commands: commands.map((command, i) => (spans[i] ? { ...command, traceparent: spans[i].traceparent } : command)) }
}

/** To the answer; of a stream to its first message, which says what became of each command. */
async function* traced(answers: Answers, spans: (Span | undefined)[]): Answers {
  let open = true
  const end = (answer: unknown) => {
    if (!open) return
    open = false
    const { outcomes } = (answer ?? {}) as { outcomes?: Outcome[] }
    for (const [i, span] of spans.entries()) span?.end({ attributes: attributesOf(outcomes?.[i]) })
  }
  try {
    for (let next = await answers.next(); ; next = await answers.next()) {
      if (next.value !== undefined) end(next.value)
      if (next.done) return next.value
      yield next.value
    }
  } catch (error) {
    if (open) for (const span of spans) span?.end({ isError: true, attributes: { 'error.type': (error as Error).name } })
    open = false
    throw error
  } finally {
    await answers.return(undefined as never)
    end(undefined)
  }
}

function attributesOf(outcome: Outcome | undefined): Attributes {
  if (!outcome?.outcome) return {}
  const { $case, value } = outcome.outcome
  return { 'comanda.outcome': $case, ...($case === 'refused' && { 'comanda.code': value?.code ?? '' }) }
}
