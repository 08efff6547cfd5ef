import type { Unit } from './postgres-server.ts'

/** The few messages of PostgreSQL's protocol that the simulated server reads or writes itself. */

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type, 0, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** Authentication is over; ready. */
export const started = (): Buffer =>
  Buffer.concat([message('R', int32(0)), message('K', Buffer.concat([int32(1), int32(1)])), message('Z', Buffer.from('I'))])

export const ready = (status: 'I' | 'T' | 'E'): Buffer => message('Z', Buffer.from(status))

/** The transaction's status that ends an answer: idle, in a transaction, or in a failed one. */
export const statusOf = (answer: Buffer): string => String.fromCharCode(answer.at(-1) ?? 0)

/** Whether a statement neither read nor wrote a row. */
export const foundNothing = (answer: Buffer): boolean => /C\0\0\0.((SELECT|UPDATE|DELETE) 0|INSERT 0 0)\0/s.test(answer.toString('latin1'))

function errorResponse(code: string, text: string): Buffer {
  return message('E', Buffer.from(`SERROR\0VERROR\0C${code}\0M${text}\0\0`))
}

export const refusal = {
  deadlock: () => errorResponse('40P01', 'deadlock detected'),
  statementTimeout: () => errorResponse('57014', 'canceling statement due to statement timeout'),
  /** A statement that fails, and with it the transaction. */
  raise: () => message('Q', Buffer.from('select 1/0\0')),
}

const typeOf = (bytes: Buffer) => String.fromCharCode(bytes[0] as number)
const textAt = (bytes: Buffer, from: number) => bytes.toString('utf8', from, bytes.indexOf(0, from))
const parseOf = (unit: Unit) => unit.messages.find((one) => typeOf(one) === 'P')
const nameIn = (parse: Buffer) => textAt(parse, 5)
const textIn = (parse: Buffer) => textAt(parse, 5 + nameIn(parse).length + 1)

const texts = new Map<string, string>()

/** What a unit does, for people: the start of its SQL, and the order that it names first. */
export function labelOf(unit: Unit): string {
  const first = unit.messages[0] as Buffer
  if (unit.kind === 'simple') return textAt(first, 5)
  const parse = parseOf(unit)
  if (parse) texts.set(nameIn(parse), textIn(parse).trim().replaceAll(/\s+/g, ' ').slice(0, 90))
  const bind = unit.messages.find((one) => typeOf(one) === 'B')
  const statement = bind ? textAt(bind, 5 + textAt(bind, 5).length + 1) : ''
  return `${texts.get(statement) ?? unit.kind} ${bind ? namedIn(bind) : ''}`.trim()
}

/** Orders (and what else has a UUID) that some bytes name. */
export function namedIn(bytes: Buffer): string {
  const found = bytes.toString('latin1').match(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g)
  return found ? [...new Set(found)].slice(0, 6).join(' ') : ''
}

/** The engine's one session knows a prepared statement that another connection has made: it must not be made again. */
export function withoutKnownParse(unit: Unit, known: ReadonlySet<string>): { bytes: Buffer; wasKnown: boolean } {
  const parse = parseOf(unit)
  const wasKnown = parse !== undefined && known.has(nameIn(parse))
  return { bytes: Buffer.concat(wasKnown ? unit.messages.filter((one) => one !== parse) : unit.messages), wasKnown }
}

const PARSE_COMPLETE = '1'
export const named = {
  parseComplete: message(PARSE_COMPLETE, Buffer.alloc(0)),
  remember(unit: Unit, answer: Buffer, known: Set<string>): void {
    const parse = parseOf(unit)
    if (parse && nameIn(parse) !== '' && typeOf(answer) === PARSE_COMPLETE) known.add(nameIn(parse))
  },
}
