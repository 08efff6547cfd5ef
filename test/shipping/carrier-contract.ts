import { beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import type { BookRequest, Carrier } from '../../src/shipping/carrier.ts'
import { address } from './depot.ts'

/** What every carrier must do. `refused` changes a request so that this carrier refuses it. */
export function carrierContract(name: string, { open, refused }: { open: () => Carrier; refused: Partial<BookRequest> }): void {
  let carrier: Carrier
  beforeAll(() => {
    carrier = open()
  })
  const request = (changes: Partial<BookRequest> = {}): BookRequest => {
    return { shipmentId: `${newId()}-1`, method: 'standard', weightGrams: 500, address: address(), ...changes }
  }

  describe(`the carrier "${name}"`, () => {
    it('answers each request of a batch, in order', async () => {
      const answers = await carrier.book([request(), request(refused), request({ address: null }), request({ method: 'express' })])
      expect(answers.map((answer) => answer.kind)).toEqual(['booked', 'refused', 'booked', 'booked'])
      expect(await carrier.book([])).toEqual([])
      expect(await carrier.cancel([])).toEqual([])
    })
    it('gives the same answer to the same key, later, in one batch and at once', async () => {
      const [yes, no] = [request(), request(refused)]
      const [left, right] = await Promise.all([carrier.book([yes, no, yes]), carrier.book([yes, no, yes])])
      expect(left[0]).toEqual(left[2])
      expect(right).toEqual(left)
      expect(await carrier.book([no, yes])).toEqual([left[1], left[0]])
    })
    it('gives each of ten thousand shipments a tracking number of its own', async () => {
      const answers = await carrier.book(Array.from({ length: 10_000 }, () => request()))
      const numbers = answers.map((answer) => (answer.kind === 'booked' ? answer.trackingNumber : ''))
      expect(new Set(numbers).size).toBe(10_000)
      expect(numbers).not.toContain('')
    })
    it('says why it refuses', async () => {
      expect(await carrier.book([request(refused)])).toMatchObject([{ kind: 'refused', message: expect.stringMatching(/.{10,}/) }])
    })
    it('calls off what is booked, what is off already, and what never was', async () => {
      const booked = request()
      await carrier.book([booked])
      const answers = await carrier.cancel([booked.shipmentId, booked.shipmentId, `${newId()}-1`])
      expect(answers.map((answer) => answer.kind)).toEqual(['cancelled', 'cancelled', 'cancelled'])
    })
  })
}
