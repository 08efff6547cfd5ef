import { Readable } from 'node:stream'
import { bulkhead } from 'cockatiel'
import type { FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { newId } from '../../platform/ids.ts'
import { type Line, linesOf } from '../../platform/lines.ts'
import { tracer } from '../../platform/tracing.ts'
import { tooOften } from '../access/gate.ts'
import { answersAsTheyCome } from '../bulk-answers.ts'
import type { App, GatewayDependencies } from '../dependencies.ts'
import { asProblem, bodyOf, invalid, Problem } from '../errors.ts'
import { placeCommand } from '../place-command.ts'
import { placing } from '../placing.ts'
import { BulkLine, PreferHeader } from '../schemas.ts'
import { fieldErrors } from '../validation.ts'
import { BulkAnswer } from '../view-schemas.ts'
import { orderView } from '../views.ts'
import { type WaitingRoom, waitFrom } from '../wait.ts'
import { PLACE_PROBLEMS } from './orders.ts'

/** Orders in hand at once, of one request and of all together; beyond that the next lines wait, in the client's socket in the end. */
const IN_HAND = 1_024
const LONGEST_LINE_BYTES = 64 * 1024
const NDJSON = 'application/x-ndjson'

type Fault = Parameters<typeof fieldErrors>[0][number]
type Validate = ((value: unknown) => boolean) & { errors?: Fault[] | null }

/** POST /orders/bulk: an order a line in, an answer a line out as each order ends, for as long as the client sends. */
export function bulkRoutes(app: App, dependencies: GatewayDependencies & { room: WaitingRoom }): void {
  const place = placing(dependencies)
  const traces = tracer()
  const parseJson = app.getDefaultJsonParser('error', 'error')
  let validate: Validate | undefined
  const hands = bulkhead(IN_HAND, Number.POSITIVE_INFINITY)

  app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(NDJSON, (_request, payload, done) => done(null, payload))
    const schema = {
      summary: 'Place many orders',
      description: `One order a line, as POST /orders takes it, with an optional \`idempotency_key\`. One answer a line, as each order ends: \`line\` counts from 1 (empty lines too), \`status\` is what POST /orders would have answered. Any number of lines; of one request ${IN_HAND} are in hand at a time.`,
      tags: ['orders'],
      headers: PreferHeader,
      consumes: [NDJSON],
      produces: [NDJSON],
      body: { content: { [NDJSON]: { schema: BulkLine } } },
      response: { 200: { description: 'An answer a line', content: { [NDJSON]: { schema: BulkAnswer } } } },
    }
    const options = {
      schema,
      // Its body is looked at line by line, and may take hours to come.
      validatorCompiler: () => () => true,
      serializerCompiler: () => String,
      config: { scope: 'orders:write', problems: PLACE_PROBLEMS, streams: true } as const,
    }
    scope.post('/orders/bulk', options, async (request, reply) => {
      validate ??= app.validatorCompiler?.({ schema: BulkLine, method: 'POST', url: '/orders/bulk', httpPart: 'body' }) as Validate
      const lines = linesOf(request.body as AsyncIterable<Buffer>, LONGEST_LINE_BYTES)
      const waitMs = waitFrom(request.headers.prefer, dependencies.waitMs)
      const answers = answersAsTheyCome(lines, { inHand: IN_HAND, answer: (line) => answerLine(line, { waitMs, request }) })
      return reply
        .type(NDJSON)
        .serializer(String)
        .send(Readable.from(answers, { objectMode: false, highWaterMark: 64 * 1024 }))
    })
  })

  /** The text of the answer to one line; undefined for an empty one. Never throws. */
  async function answerLine(
    { line, text, problem }: Line,
    { waitMs, request: { caller, checkAgain, spend, traceparent: link } }: { waitMs: number; request: FastifyRequest },
  ): Promise<string | undefined> {
    if (problem === undefined && text.trim() === '') return undefined
    const requestId = newId()
    // A trace for each order, not one for the upload of thousands.
    const span = traces?.start('line of POST /orders/bulk', { parent: '', link, kind: 'server' })
    try {
      await checkAgain?.()
      const retryAfter = spend?.() ?? 0
      if (retryAfter > 0) throw tooOften(retryAfter)
      if (problem)
        throw problem.startsWith('longer')
          ? new Problem('body_too_large', `the line is ${problem}`)
          : new Problem('invalid_json', `the line is ${problem}`)
      const { idempotency_key: key = '', ...body } = await checked(text)
      const command = placeCommand(body, { requestId, key, caller, traceparent: span?.traceparent ?? '' })
      const { status, order } = await hands.execute(() => place(command, waitMs))
      return `${JSON.stringify({ line, status, order: orderView(order) })}\n`
    } catch (error) {
      const found = asProblem(error)
      if (found.code === 'internal_error') dependencies.log.error({ request_id: requestId, err: error }, 'request failed')
      const told = bodyOf(found, requestId)
      return `${JSON.stringify({ line, status: told.status, problem: told })}\n`
    } finally {
      span?.end()
    }
  }

  async function checked(text: string): Promise<Static<typeof BulkLine>> {
    const value = await new Promise((resolve, reject) => {
      parseJson(undefined as never, text, (error, parsed) =>
        error
          ? reject(new Problem('invalid_json', 'the line is not valid JSON, or has a field __proto__ or constructor'))
          : resolve(parsed),
      )
    })
    if (!validate?.(value)) throw invalid(fieldErrors(validate?.errors ?? []))
    return value as Static<typeof BulkLine>
  }
}
