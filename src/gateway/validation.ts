import type { FastifySchemaValidationError } from 'fastify'

/** From a validator's complaints to sentences that name the field and say what is wrong. Values are never repeated: one may be a card number. */

export type FieldError = { field: string; message: string }

type Fault = FastifySchemaValidationError & { parentSchema?: { description?: string; patternProperties?: object } }

const WHERE: Record<string, string> = { querystring: 'query ', params: 'path ', headers: 'header ' }

export function fieldErrors(faults: readonly FastifySchemaValidationError[], context = 'body'): FieldError[] {
  const seen = new Set<string>()
  return faults
    .map((fault) => fieldError(fault, WHERE[context] ?? ''))
    .filter(({ field, message }) => {
      const isNew = !seen.has(field + message)
      seen.add(field + message)
      return isNew
    })
}

/** `items[1].quantity` "must be a whole number from 1 to 10000". */
function fieldError({ instancePath, keyword, params, parentSchema, message = 'is not valid' }: Fault, where: string): FieldError {
  const path = instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  const { missingProperty, additionalProperty } = params as Record<string, string | undefined>
  const field = where + named([...path, missingProperty ?? additionalProperty ?? []].flat())
  if (keyword === 'required') return { field, message: 'is missing' }
  if (keyword === 'additionalProperties') {
    return {
      field,
      message: parentSchema?.patternProperties ? 'is not a key of 1 to 64 characters without control characters' : 'is not known',
    }
  }
  return { field, message: parentSchema?.description ? `must be ${parentSchema.description}` : message }
}

/** A path as people write it; names that are no plain words are quoted, long ones cut. */
function named(path: string[]): string {
  const text = path
    .map((part, i) => {
      if (/^\d+$/.test(part)) return `[${part}]`
      const word = /^[\w-]{1,64}$/.test(part) ? part : JSON.stringify(part.slice(0, 40).toWellFormed())
      return i === 0 ? word : `.${word}`
    })
    .join('')
  return text.slice(0, 100) || 'body'
}
