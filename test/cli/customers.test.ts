import { afterEach, describe, expect, it } from 'vitest'
import { comanda, type FakeGateway, fakeGateway } from './fake-gateway.ts'

let gateway: FakeGateway
afterEach(() => gateway.close())

const erasure = (over: object) => ({
  ...{
    id: 'e1',
    user_id: 'u1',
    pseudonym: 'erased:x',
    reason: 'asked',
    asked_by: null,
    asked_at: '2026-03-03T10:00:00.000Z',
    ended_at: null,
  },
  ...{ dry_run: false, erased: 0, erasable: 0, waiting: 0, waiting_orders: [] },
  ...over,
})
const erase = () => comanda('customers', 'erase', 'u1', '--reason', 'asked', '--url', gateway.url)

describe('erasing a customer', () => {
  it('goes on until no order is left that could go now', async () => {
    gateway = await fakeGateway((_seen, count) => ({
      status: 202,
      body: erasure(count < 3 ? { erased: count, erasable: 3 - count } : { erased: 3, ended_at: '2026-03-03T10:00:01.000Z' }),
    }))
    expect(await erase()).toMatchObject({ code: 0, out: '3 orders erased, now of erased:x.\n' })
    expect(gateway.seen.length).toBe(3)
  })

  it('does not wait for ever for orders that shipping does not let go, and says so', async () => {
    gateway = await fakeGateway(() => ({ status: 202, body: erasure({ erased: 2, erasable: 1 }) }))
    expect(await erase()).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^2 orders erased, now of erased:x\.\n1 order could not be erased now: shipping .*\n$/),
    })
  })
})
