import { Type } from 'typebox'
import { ERRORS, isErrorCode } from '../../platform/errors.ts'
import type { App } from '../dependencies.ts'
import { Problem } from '../errors.ts'
import { AnyId } from '../schemas.ts'

const ErrorView = Type.Object({ code: Type.String(), status: Type.Integer(), title: Type.String(), meaning: Type.String() })

/** The `type` of each problem leads here. */
export function errorRoutes(app: App): void {
  const schema = { summary: 'What an error code means', tags: ['errors'], params: AnyId, response: { 200: ErrorView } }
  app.get('/errors/:id', { schema, config: { scope: 'open', problems: ['not_found'] } }, async (request, reply) => {
    const code = request.params.id
    if (!isErrorCode(code)) throw new Problem('not_found', 'there is no such error code')
    return reply.send({ code, ...ERRORS[code] })
  })
}
