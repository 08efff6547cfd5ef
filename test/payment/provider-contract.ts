import { describe, expect, it } from 'vitest'
import { type AuthoriseRequest, type PaymentProvider, providerKey } from '../../src/payment/provider.ts'
import { newId } from '../../src/platform/ids.ts'
import { until } from '../support/until.ts'

/** What every payment provider must do. `tokens` are the test tokens of the provider at hand. */
export function providerContract(name: string, provider: () => PaymentProvider, tokens: { ok: string; declined: string }): void {
  const request = (changes: Partial<AuthoriseRequest> = {}): AuthoriseRequest => {
    const orderRef = newId()
    return {
      key: providerKey.authorise(orderRef),
      orderRef,
      method: 'credit_card',
      token: tokens.ok,
      amountMinor: 700,
      currency: 'EUR',
      ...changes,
    }
  }
  const madeAt = (ref: string) => created.get(ref) ?? 0
  const created = new Map<string, number>()
  const authorised = async () => {
    const asked = request()
    const [answer] = await provider().authorise([asked])
    if (answer?.kind !== 'approved') throw new Error(`not approved but ${answer?.kind}`)
    created.set(answer.ref, Date.now())
    const move = { ref: answer.ref, amountMinor: 700, currency: 'EUR' }
    return { asked, ref: answer.ref, move }
  }

  describe(`the payment provider "${name}"`, () => {
    it('answers each request of a batch, in order', async () => {
      const answers = await provider().authorise([request(), request({ token: tokens.declined }), request({ amountMinor: 5 })])
      expect(answers).toMatchObject([
        { kind: 'approved', amountMinor: 700, currency: 'EUR' },
        { kind: 'declined' },
        { kind: 'approved', amountMinor: 5 },
      ])
      expect(await provider().authorise([])).toEqual([])
    })
    it('gives the same answer to the same key, later, in one batch and at once', async () => {
      const [yes, no] = [request(), request({ token: tokens.declined })]
      const batches = await Promise.all([provider().authorise([yes, no, yes]), provider().authorise([no, yes, yes])])
      const [again, declined] = await provider().authorise([yes, no])
      for (const batch of batches) expect(new Set(batch)).toEqual(new Set([again, declined]))
    })
    it('does nothing for a key that comes back with other arguments', async () => {
      const { asked } = await authorised()
      const [other] = await provider().authorise([{ ...asked, amountMinor: 1 }])
      expect(other?.kind).toBe('unknown')
      expect(await provider().lookup([asked.key])).toMatchObject([{ kind: 'approved', amountMinor: 700 }])
    })
    it('finds charges by key, declines too, and says what it has not got', async () => {
      const { asked, ref } = await authorised()
      const declined = request({ token: tokens.declined })
      await provider().authorise([declined])
      expect(await provider().lookup(['auth:nobody', declined.key, asked.key])).toMatchObject([
        { kind: 'not_found' },
        { kind: 'declined' },
        { kind: 'approved', ref, amountMinor: 700 },
      ])
    })
    it('captures once per key and then does not void', async () => {
      const { ref, move } = await authorised()
      const key = `capture:${newId()}`
      const answers = await Promise.all([provider().capture([{ key, ...move }]), provider().capture([{ key, ...move }])])
      expect(answers.flat()).toMatchObject([{ kind: 'approved', amountMinor: 700 }, { kind: 'approved' }])
      expect(await provider().void([{ key: `void:${newId()}`, ref }])).toMatchObject([{ kind: 'declined' }])
    })
    it('voids once per key and then does not capture', async () => {
      const { asked, ref, move } = await authorised()
      const key = `void:${newId()}`
      expect(
        await provider().void([
          { key, ref },
          { key, ref },
        ]),
      ).toMatchObject([{ kind: 'approved' }, { kind: 'approved' }])
      expect(await provider().capture([{ key: `capture:${newId()}`, ...move }])).toMatchObject([{ kind: 'declined' }])
      expect((await provider().lookup([asked.key]))[0]?.kind).toBe('declined')
    })
    it('refunds parts, once per key, up to what was captured', async () => {
      const { move } = await authorised()
      await provider().capture([{ key: `capture:${newId()}`, ...move }])
      const part = { ...move, key: `refund:${newId()}`, amountMinor: 500 }
      await Promise.all([provider().refund([part]), provider().refund([part])])
      const rest = await provider().refund([
        { ...move, key: `refund:${newId()}`, amountMinor: 201 },
        { ...move, key: `refund:${newId()}`, amountMinor: 200 },
        part,
      ])
      expect(rest).toMatchObject([{ kind: 'declined' }, { kind: 'approved', amountMinor: 200 }, { kind: 'approved', amountMinor: 500 }])
    })
    it('declines to move what it does not know, and its neighbours go on', async () => {
      const { move } = await authorised()
      const answers = await provider().capture([
        { ...move, key: `capture:${newId()}`, ref: 'nothing' },
        { ...move, key: `capture:${newId()}` },
      ])
      expect(answers).toMatchObject([{ kind: 'declined' }, { kind: 'approved' }])
    })
    it('tells how its charges stand, by key', async () => {
      const { asked, ref, move } = await authorised()
      const read = async () => (await provider().readCharges([asked.key]))[0]
      const charge = { key: asked.key, ref, amountMinor: 700, capturedMinor: 0, refundedMinor: 0, currency: 'EUR' }
      expect(await read()).toEqual({ kind: 'charge', charge: { ...charge, status: 'authorised' } })
      await provider().capture([{ key: `capture:${newId()}`, ...move }])
      await provider().refund([{ ...move, key: `refund:${newId()}`, amountMinor: 200 }])
      expect(await read()).toEqual({ kind: 'charge', charge: { ...charge, status: 'captured', capturedMinor: 700, refundedMinor: 200 } })
      const [declined, other] = [request({ token: tokens.declined }), await authorised()]
      await provider().authorise([declined])
      await provider().void([{ key: `void:${newId()}`, ref: other.ref }])
      expect(await provider().readCharges([declined.key, 'auth:nobody', other.asked.key])).toMatchObject([
        { kind: 'charge', charge: { status: 'declined', capturedMinor: 0 } },
        { kind: 'not_found' },
        { kind: 'charge', charge: { status: 'voided' } },
      ])
    })
    it('lists its charges page by page, each once, those made before a time left out', async () => {
      await authorised()
      const old = await authorised()
      await until('the clock to go on', () => Date.now() > madeAt(old.ref) + 5)
      const since = new Date()
      const made = [await authorised(), await authorised(), await authorised()].map(({ ref }) => ref)
      const list = async (from: Date | undefined, limit: number) => {
        const refs: string[] = []
        for (let after: string | undefined; ; ) {
          const page = await provider().listCharges({ since: from, after, limit })
          expect(page.charges.length).toBeLessThanOrEqual(limit)
          refs.push(...page.charges.map((charge) => charge.ref))
          if (page.next === null) return refs
          after = page.next
        }
      }
      for (const limit of [1, 2, 3, 100]) expect((await list(since, limit)).sort()).toEqual([...made].sort())
      const all = await list(undefined, 2)
      expect(new Set(all).size).toBe(all.length)
      expect(all).toEqual(expect.arrayContaining([old.ref, ...made]))
    })
  })
}
