import { type Message, QUEUES, type QueueName } from './broker.ts'

/** What every broker checks and writes alike. */

const LONGEST_ID = 200
const LARGEST_BODY = 1_048_576
const LONGEST_ERROR = 2_000

/** A message ready to be stored: its body as JSON text. */
export type Encoded = { id: string; body: string; delayMs: number }

/** Checks all before anything is stored; of the same id twice the later counts. @throws {TypeError} naming what can't be published. */
export function encode(messages: readonly Message[]): Encoded[] {
  return [...new Map(messages.map((message) => [message.id, encodeOne(message)])).values()]
}

function encodeOne({ id, body, delayMs = 0 }: Message): Encoded {
  if (typeof id !== 'string' || id === '' || id.length > LONGEST_ID || !/^[\x21-\x7e]+$/.test(id))
    throw new TypeError(`a message's id must have 1 to ${LONGEST_ID} visible ASCII characters: ${JSON.stringify(id)?.slice(0, 80)}`)
  if (!(delayMs >= 0 && delayMs <= Number.MAX_SAFE_INTEGER)) throw new TypeError(`message ${id}: delayMs is ${delayMs}`)
  const text: string | undefined = JSON.stringify(body)
  if (text === undefined) throw new TypeError(`message ${id}: its body is nothing that JSON can hold`)
  if (text.length > LARGEST_BODY) throw new TypeError(`message ${id}: its body has ${text.length} characters, more than ${LARGEST_BODY}`)
  return { id, body: text, delayMs }
}

/** Fit to be stored anywhere: no NUL, no half of a character, not endless. */
export const errorText = (error: string): string => error.replaceAll('\0', '').slice(0, LONGEST_ERROR).toWellFormed()

export const keyOf = (queue: string, id: string): string => `${queue}/${id}`

/** @returns undefined for what is no key. */
export function parseKey(key: string): { queue: QueueName; id: string } | undefined {
  const slash = key.indexOf('/')
  const queue = QUEUES.find((name) => name === key.slice(0, slash))
  return queue && { queue, id: key.slice(slash + 1) }
}
