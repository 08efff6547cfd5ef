import { unforeseen } from './unforeseen.ts'

/**
 * The four outcomes of a step (docs/ARCHITECTURE.md, "Outcomes"). They are never folded into "ok or failed":
 * refused starts the undos, unavailable and unknown are asked again with the same key.
 */

export type Done<T> = { kind: 'done'; value: T }
export type Refused = { kind: 'refused'; code: string; message: string }
/** Nothing was decided by the service, as far as the caller can tell: try again later. */
export type Unavailable = { kind: 'unavailable'; message: string }
/** It may have happened: ask again with the same key. */
export type Unknown = { kind: 'unknown'; message: string }

export type Outcome<T> = Done<T> | Refused | Unavailable | Unknown
/** What a service can answer for one item; unavailability is a property of the whole call. */
export type Answer<T> = Done<T> | Refused | Unknown

export const done = <T>(value: T): Done<T> => ({ kind: 'done', value })
export const refused = (code: string, message: string): Refused => ({ kind: 'refused', code, message })
export const unavailable = (message: string): Unavailable => ({ kind: 'unavailable', message })
export const unknown = (message: string): Unknown => ({ kind: 'unknown', message })

type WireOutcome<T> =
  | { $case: 'done'; value: T }
  | { $case: 'refused'; value: { code: string; message: string } }
  | { $case: 'unknown'; value: { message: string } }

/** From an answer to the `oneof outcome` of a response message. */
export function toWire<T, W = T>(answer: Answer<T>, convert: (value: T) => W): { outcome: WireOutcome<W> } {
  switch (answer.kind) {
    case 'done':
      return { outcome: { $case: 'done', value: convert(answer.value) } }
    case 'refused':
      return { outcome: { $case: 'refused', value: { code: answer.code, message: answer.message } } }
    case 'unknown':
      return { outcome: { $case: 'unknown', value: { message: answer.message } } }
    default:
      return unforeseen(answer)
  }
}

/** From the `oneof outcome` of a response message to an answer; a message without one is unknown. */
export function fromWire<T>(message: { outcome?: WireOutcome<T> | undefined } | undefined): Answer<T> {
  const outcome = message?.outcome
  switch (outcome?.$case) {
    case 'done':
      return done(outcome.value)
    case 'refused':
      return refused(outcome.value.code, outcome.value.message)
    case 'unknown':
      return unknown(outcome.value.message)
    case undefined:
      return unknown('the answer was empty')
    default:
      return unforeseen(outcome)
  }
}
