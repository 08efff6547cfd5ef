import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { ClientError, Status } from 'nice-grpc'
import { QueueFullError } from '../platform/batched.ts'
import { ERRORS, type ErrorCode, isErrorCode } from '../platform/errors.ts'
import { isTooOld, isUnavailable } from '../platform/grpc.ts'
import { newId } from '../platform/ids.ts'
import type { Answer } from '../platform/outcome.ts'
import { unforeseen } from '../platform/unforeseen.ts'
import { type FieldError, fieldErrors } from './validation.ts'

/** From refusals and failures to problem+json (RFC 9457), once for all routes. */

type Extra = { errors?: FieldError[]; order_id?: string; retryAfter?: number; allow?: string[] }

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

/** The value of an answer that is done. @throws a {@link Problem} for any other. */
export function doneOrThrow<T>(answer: Answer<T>): T {
  switch (answer.kind) {
    case 'done':
      return answer.value
    case 'refused':
      throw refusal(answer)
    case 'unknown':
      throw new Problem('unavailable', answer.message, { retryAfter: 1 })
    default:
      return unforeseen(answer)
  }
}

/** A refusal of a service; a code that the catalogue does not have is told in `detail`. */
export function refusal({ code, message }: { code: string; message: string }, extra: Extra = {}): Problem {
  return isErrorCode(code) ? new Problem(code, message, extra) : new Problem('order_rejected', `${message} (${code})`, extra)
}

export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const { retryAfter, allow, order_id } = problem.extra
  reply.header('x-request-id', request.id)
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
  if (allow) reply.header('allow', allow.join(', '))
  if (order_id) reply.header('location', `/orders/${order_id}`)
  if (ERRORS[problem.code].status === 401) reply.header('www-authenticate', 'Bearer realm="comanda"')
  // Already a string: the route's own response schema is not for problems.
  const send = reply.code(ERRORS[problem.code].status).type('application/problem+json').serializer(String)
  return send.send(JSON.stringify(bodyOf(problem, request.id)))
}

/** The problem+json of a problem, as an object. */
export function bodyOf({ code, message, extra: { errors, order_id } }: Problem, requestId: string) {
  const { status, title } = ERRORS[code]
  return {
    ...{ type: `/errors/${code}`, title, status, code, detail: message },
    ...(errors && { errors }),
    ...(order_id && { order_id }),
    request_id: requestId,
  }
}

/** What Node can't read as HTTP never becomes a request; it is answered on the bare connection. */
export function answerBrokenHttp(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const problem = brokenHttp(error.code)
  const { status } = ERRORS[problem.code]
  const body = JSON.stringify(bodyOf(problem, newId()))
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}`
  socket.end(`${head}\r\nconnection: close\r\n\r\n${body}`)
}

function brokenHttp(code: string | undefined): Problem {
  if (code === 'HPE_HEADER_OVERFLOW') return new Problem('headers_too_large', 'the headers have more than 16 KiB')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new Problem('request_timeout', 'the request did not arrive in time')
  return new Problem('invalid_request', 'this is not HTTP')
}

/** Any error at all, as a problem. What nobody foresaw is `internal_error`, and says nothing about the inside. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  const { validation, validationContext, statusCode = 500, code } = error as FastifyError
  if (validation) return invalid(fieldErrors(validation, validationContext))
  if (error instanceof QueueFullError)
    return new Problem('overloaded', 'too many requests are waiting; nothing was stored', { retryAfter: 1 })
  if (isUnavailable(error)) return new Problem('unavailable', "a service can't be reached or did not answer in time", { retryAfter: 1 })
  if (isTooOld(error))
    return new Problem('unavailable', 'a service behind this is of an older version that can not do it yet', { retryAfter: 30 })
  if (error instanceof ClientError && error.code === Status.INVALID_ARGUMENT) return new Problem('invalid_request', error.details)
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new Problem('body_too_large', 'the body has more than 64 KiB')
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new Problem('unsupported_media_type', 'send application/json (to /orders/bulk application/x-ndjson)')
  if (code === 'FST_ERR_MAX_PARAM_LENGTH') return new Problem('not_found', 'there is nothing here: the id in the path is too long')
  if (code === 'FST_ERR_BAD_URL')
    return new Problem('invalid_request', 'the path is not a valid URL: a % must be followed by two hex digits of UTF-8')
  if (error instanceof SyntaxError) return new Problem('invalid_json', 'the body is not valid JSON')
  if (statusCode >= 400 && statusCode < 500) return new Problem('invalid_request', (error as Error).message)
  return new Problem('internal_error', 'something went wrong here; the log has it under this request id')
}

/** More is of no use to anyone, and a body of 64 KiB can hold thousands of mistakes. */
const MOST_ERRORS_TOLD = 100

export function invalid(errors: FieldError[]): Problem {
  const [first] = errors
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  const detail = first ? `${first.field} ${first.message}${more}` : 'the request is not valid'
  return new Problem('invalid_request', detail, { errors: errors.slice(0, MOST_ERRORS_TOLD) })
}
