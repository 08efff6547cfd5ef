/**
 * Traces (W3C Trace Context): one for each order, from the request that brought it to its end, also when it waited for hours. What an order comes from
 * travels with it as a `traceparent`: in its commands, in its row, never in the air of an async context, for whoever works on a batch works for many.
 */

/** Where a span stands: `00-<trace>-<span>-<flags>`; empty: nowhere. */
export type TraceParent = string

export type Span = {
  /** For what comes from it. */
  traceparent: TraceParent
  end(result?: { isError?: boolean; attributes?: Attributes }): void
}
export type Attributes = Record<string, string | number | boolean>

export type NewSpan = {
  /** Nowhere, or nonsense: begins a trace of its own. */
  parent: TraceParent
  kind: 'server' | 'client' | 'internal' | 'producer' | 'consumer'
  attributes?: Attributes
  /** When it began, where that is some time ago. */
  since?: Date
  /** Has to do with this one too, but does not come from it. */
  link?: TraceParent
}

export type Tracer = { start(name: string, span: NewSpan): Span }

let current: Tracer | undefined

/** The tracer of this process; undefined while traces are off, and then nothing is wrapped. Ask when something is made. */
export const tracer = (): Tracer | undefined => current

/** Before anything that is to be traced is made; undefined: off again. */
export function turnTracesOn(tracer: Tracer | undefined): void {
  current = tracer
}

const FORM = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/

/** @returns undefined for what names no span. */
export function parseTraceParent(text: string): { traceId: string; spanId: string; traceFlags: number } | undefined {
  const [, traceId, spanId, flags] = FORM.exec(text) ?? []
  return traceId && spanId && flags ? { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1 } : undefined
}

/** For a line of the log; nothing where nothing is traced. */
export function inTrace(traceparent: TraceParent | undefined): { trace_id?: string } {
  return traceparent ? { trace_id: traceparent.slice(3, 35) } : {}
}
