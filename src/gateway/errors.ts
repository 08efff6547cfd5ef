import type { FastifyError, FastifyReply, FastifyRequest, FastifySchemaValidationError } from 'fastify'
import { ClientError, Status } from 'nice-grpc'
import { QueueFullError } from '../platform/batched.ts'
import { ERRORS, type ErrorCode, isErrorCode } from '../platform/errors.ts'
import { isUnavailable } from '../platform/grpc.ts'

/** From refusals and failures to problem+json (RFC 9457), once for all routes. */

type Extra = { errors?: FieldError[]; order_id?: string; retryAfter?: number; allow?: string[] }
export type FieldError = { field: string; message: string }

/** An answer that is a problem. Thrown by routes, sent by {@link sendProblem}. */
export class Problem extends Error {
  readonly code: ErrorCode
  readonly extra: Extra
  constructor(code: ErrorCode, detail: string, extra: Extra = {}) {
    super(detail)
    this.code = code
    this.extra = extra
  }
}

/** A refusal of a service; codes the catalogue does not have become `otherwise`. */
export function refusal({ code, message }: { code: string; message: string }, extra: Extra = {}, otherwise: ErrorCode = 'order_rejected'): Problem {
  return new Problem(isErrorCode(code) ? code : otherwise, message, extra)
}

export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const { status, title } = ERRORS[problem.code]
  const { retryAfter, allow, ...extra } = problem.extra
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
  if (allow) reply.header('allow', allow.join(', '))
  if (extra.order_id) reply.header('location', `/orders/${extra.order_id}`)
  const body = { type: `/errors/${problem.code}`, title, status, code: problem.code, detail: problem.message, ...extra, request_id: request.id }
  // Already a string: the route's own response schema is not for problems.
  return reply.code(status).type('application/problem+json').serializer(String).send(JSON.stringify(body))
}

/** Any error at all, as a problem. What nobody foresaw is `internal_error`, and says nothing about the inside. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  const { validation, validationContext, statusCode, code } = error as FastifyError
  if (validation) return invalid(validation.map((fault) => fieldError(fault, validationContext)))
  if (error instanceof QueueFullError) return new Problem('overloaded', 'too many requests are waiting; nothing was stored', { retryAfter: 1 })
  if (isUnavailable(error)) return new Problem('unavailable', 'a service can not be reached or did not answer in time', { retryAfter: 1 })
  if (error instanceof ClientError && error.code === Status.INVALID_ARGUMENT) return new Problem('invalid_request', error.details)
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new Problem('body_too_large', 'the body has more than 64 KiB')
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new Problem('unsupported_media_type', 'send application/json')
  if (code === 'FST_ERR_CTP_EMPTY_JSON_BODY') return new Problem('invalid_json', 'the body is empty')
  if (statusCode === 400 || error instanceof SyntaxError) return new Problem('invalid_json', 'the body is not valid JSON')
  return new Problem('internal_error', 'something went wrong here; the log has it under this request id')
}

export function invalid(errors: FieldError[]): Problem {
  const [first] = errors
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  return new Problem('invalid_request', first ? `${first.field} ${first.message}${more}` : 'the request is not valid', { errors })
}

type Fault = FastifySchemaValidationError & { parentSchema?: { description?: string } }

/** A validator's complaint in plain words: `items[1].quantity` "must be a whole number from 1 to 10000". The value itself is never repeated. */
function fieldError(fault: Fault, context = 'body'): FieldError {
  const path = fault.instancePath.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  const params = fault.params as Record<string, string>
  const child = params.missingProperty ?? params.additionalProperty
  const names = child === undefined ? path : [...path, child]
  const dotted = names.map((part, i) => (/^\d+$/.test(part) ? `[${part}]` : i === 0 ? part : `.${part}`)).join('')
  const field = (context === 'body' ? dotted || 'body' : `${context} ${dotted}`).slice(0, 100)
  if (fault.keyword === 'required') return { field, message: 'is missing' }
  if (fault.keyword === 'additionalProperties') return { field, message: 'is not known' }
  const description = fault.parentSchema?.description
  return { field, message: description ? `must be ${description}` : (fault.message ?? 'is not valid') }
}
