import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PaymentProvider } from '../../src/payment/provider.ts'
import { simulatedProvider } from '../../src/payment/providers/simulated.ts'
import { newId } from '../../src/platform/ids.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { appear, QUICK, until } from './desk.ts'
import { providerContract } from './provider-contract.ts'

let database: TestDatabase
let provider: PaymentProvider
beforeAll(async () => {
  database = await testDatabase('payment')
  provider = simulatedProvider({ db: database.db, ...QUICK })
})
afterAll(() => database.drop())

providerContract('simulated', () => provider, { ok: 'tok_ok', declined: 'tok_declined' })

describe('test tokens', () => {
  const request = (token: string) => {
    const orderRef = newId()
    return { key: `auth:${orderRef}`, orderRef, method: 'credit_card', token, amountMinor: 900, currency: 'EUR' }
  }
  const first = async (token: string) => {
    const asked = request(token)
    const [answer] = await provider.authorise([asked])
    const [found] = await provider.lookup([asked.key])
    const [repeat] = await provider.authorise([asked])
    return [answer?.kind, found?.kind, repeat?.kind]
  }
  it('decline, each with its own code', async () => {
    const answers = await provider.authorise(['tok_declined', 'tok_insufficient_funds', 'tok_expired_card'].map(request))
    expect(answers).toMatchObject([{ code: 'card_declined' }, { code: 'insufficient_funds' }, { code: 'expired_card' }])
  })
  it('lose the call before the charge, or the answer after it', async () => {
    expect(await first('tok_timeout_before')).toEqual(['unknown', 'not_found', 'approved'])
    expect(await first('tok_timeout_after')).toEqual(['unknown', 'approved', 'approved'])
    expect(await first('tok_error_500')).toEqual(['unknown', 'approved', 'approved'])
  })
  it('let a charge appear late: in progress and not to be found until then', async () => {
    expect(await first('tok_late')).toEqual(['unknown', 'not_found', 'unknown'])
    const asked = request('tok_late')
    // By itself, when its time has come.
    await simulatedProvider({ db: database.db, ...QUICK, lateMs: 300 }).authorise([asked])
    await until(
      () => provider.lookup([asked.key]),
      ([found]) => found?.kind === 'approved',
    )
    expect((await provider.authorise([asked]))[0]?.kind).toBe('approved')
  })
  it('let a charge appear late in the list too', async () => {
    const since = new Date()
    const asked = request('tok_late')
    await provider.authorise([asked])
    const listed = async () => (await provider.listCharges({ since, after: undefined, limit: 100 })).charges.map((charge) => charge.key)
    expect(await listed()).not.toContain(asked.key)
    expect(await provider.readCharges([asked.key])).toEqual([{ kind: 'not_found' }])
    await appear(database.db)
    expect(await listed()).toContain(asked.key)
  })
  it('charge another amount', async () => {
    expect(await provider.authorise([request('tok_wrong_amount')])).toMatchObject([{ kind: 'approved', amountMinor: 901 }])
  })
  it('wait for a slow one when it is alone, and not when it holds up others', async () => {
    expect((await provider.authorise([request('tok_slow')]))[0]?.kind).toBe('approved')
    const slow = request('tok_slow')
    const answers = await provider.authorise([request('tok_ok'), slow, request('')])
    expect(answers.map((answer) => answer.kind)).toEqual(['approved', 'unknown', 'approved'])
    await until(
      () => provider.lookup([slow.key]),
      ([found]) => found?.kind === 'approved',
    )
  })
  it('answer unknown when the budget of time is used up', async () => {
    const impatient = simulatedProvider({ db: database.db, ...QUICK, budgetMs: 5 })
    expect((await impatient.authorise([request('tok_slow')]))[0]?.kind).toBe('unknown')
  })
})
