import { expect, it } from 'vitest'
import { undosFor } from '../../src/orders/order.ts'
import { authoriseAnswer, captureAnswer, type Payment, requestVoid, voidAnswer } from '../../src/payment/payment.ts'
import { fromWire } from '../../src/platform/outcome.ts'

/** What a newer version has written beside this one is never gone on with as if it were known. */

const frozen = { status: 'frozen', method: 'paypal', amount_minor: 1, currency: 'EUR' } as never as Payment
const command = { orderId: 'o', method: 'paypal', amountMinor: 1, currency: 'EUR' } as never as Parameters<typeof authoriseAnswer>[0]

it.each<[string, () => unknown]>([
  ['a void of a payment', () => voidAnswer(frozen, '')],
  ['a capture of a payment', () => captureAnswer(frozen, '')],
  ['an authorisation', () => authoriseAnswer(command, frozen, '')],
  ['a wish to void', () => requestVoid(frozen)],
  ['undos', () => undosFor('insurance' as never)],
  ['an outcome', () => fromWire({ outcome: { $case: 'postponed', value: {} } } as never)],
])('%s in a state that this version does not know fails, and says of what', (_, decide) => {
  expect(decide).toThrow(/this version does not know what to do with/)
})
