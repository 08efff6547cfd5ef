import { expect, it } from 'vitest'
import { askCarrier } from '../../src/shipping/carrier.ts'
import { simulatedCarrier, trackingNumber } from '../../src/shipping/carriers/simulated.ts'
import { carrierContract } from './carrier-contract.ts'
import { address, BookKeepingCarrier } from './depot.ts'

carrierContract('simulated', { open: simulatedCarrier, refused: { address: address('AQ') } })
carrierContract('with a book, for the tests', { open: () => new BookKeepingCarrier(), refused: { weightGrams: 1_000_001 } })

it('takes a parcel of 1,000 kg and not one gram more', async () => {
  const heavy = (weightGrams: number) => ({ shipmentId: 'x-1', method: 'standard', weightGrams, address: null })
  const answers = await simulatedCarrier().book([heavy(1_000_000), heavy(1_000_001)])
  expect(answers.map((answer) => answer.kind)).toEqual(['booked', 'refused'])
})

it('ends each tracking number with the check digit of S10 and the country', () => {
  for (let i = 0; i < 200; i++) {
    const [, digits = '', check] = /^[0-9A-F]{12}(\d{8})(\d)ES$/.exec(trackingNumber(`order-${i}`)) ?? []
    // A weighted sum that includes the check digit is a multiple of 11, but for the two remainders that have no digit.
    const sum = [8, 6, 4, 2, 3, 5, 9, 7].reduce((total, weight, at) => total + weight * Number(digits[at]), 0)
    const rest = sum % 11
    expect(Number(check)).toBe(rest === 0 ? 5 : rest === 1 ? 0 : 11 - rest)
  }
})

it('takes no answer, a wrong number of answers and an error for unknown, never for a no', async () => {
  const failing = [() => new Promise<never>(() => {}), async () => ['one'], async () => Promise.reject(new Error('500'))]
  for (const call of failing) {
    const answers = await askCarrier([1, 2], call as () => Promise<string[]>, { budgetMs: 20 })
    expect(answers).toMatchObject([{ kind: 'unknown' }, { kind: 'unknown' }])
  }
})
