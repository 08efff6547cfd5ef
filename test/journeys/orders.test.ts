import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type System, startSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { comanda, order, shop } from './shop.ts'

/** Orders through the real system: five processes, gRPC, PostgreSQL, HTTP. */
let system: System
let client: ReturnType<typeof shop>

beforeAll(async () => {
  system = await startSystem()
  client = shop(system)
}, 90_000)

afterAll(async () => {
  const audit = await comanda(system, 'audit')
  await system.stop()
  expect(audit.code, audit.out).toBe(0)
}, 90_000)

describe('an order', () => {
  it('of the seeded catalogue, as in the README, is confirmed', async () => {
    const { status, headers, body } = await client.place({ a1: 2, b2: 1 })
    expect(status, JSON.stringify(body)).toBe(201)
    expect(headers.get('location')).toBe(`/orders/${body.id}`)
    expect(body).toMatchObject({
      status: 'confirmed',
      payment: { status: 'authorised', amount_minor: body.total_minor },
      rejection: null,
      waiting: null,
    })
    expect(await client.order(body.id)).toEqual(body)
    expect(await client.events(body.id)).toEqual(['order.accepted', 'order.confirmed'])
  })

  it('from two locations gets two shipments, and discounts and freight are in the total to the cent', async () => {
    await client.product('two-places', { madrid: 2, sevilla: 3 }, { unit_price_minor: 333 })
    const { status, body } = await client.call('POST', '/orders', {
      body: { ...order({}), items: [{ product_id: 'two-places', quantity: 5, discount_basis_points: 1_500 }], freight_minor: 490 },
    })
    expect(status).toBe(201)
    // 5 × 333 = 1665, less 15% = 1415.25, rounded to 1415
    expect(body.total_minor).toBe(1_415 + 490)
    expect((body.shipments as { location_id: string }[]).map((shipment) => shipment.location_id)).toEqual(['madrid', 'sevilla'])
  })

  it('is rejected when the stock is short, and nothing is held', async () => {
    await client.product('short', { madrid: 3 })
    const { status, body } = await client.place({ a1: 1, short: 4 })
    expect([status, body.code]).toEqual([409, 'out_of_stock'])
    expect(await client.order(body.order_id ?? '')).toMatchObject({
      status: 'rejected',
      rejection: { code: 'out_of_stock' },
      payment: null,
      shipments: [],
    })
    expect(await client.stock('short')).toEqual({ on_hand: 3, reserved: 0 })
  })

  it('for a product that does not exist is refused, and nothing is stored', async () => {
    const { status, body } = await client.place({ 'no-such-thing': 1 }, { user_id: 'nobody' })
    expect([status, body.code]).toEqual([422, 'unknown_product'])
    expect((await client.call('GET', '/orders?user_id=nobody')).body.orders).toEqual([])
  })

  it('releases the stock when the card is declined', async () => {
    await client.product('declined', { madrid: 5 })
    const { status, body } = await client.place({ declined: 5 }, { payment_token: 'tok_declined' })
    expect([status, body.code]).toEqual([402, 'payment_declined'])
    const ended = await client.final(body.order_id ?? '')
    expect(ended).toMatchObject({ status: 'rejected', payment: { status: 'declined' } })
    expect(await client.stock('declined')).toEqual({ on_hand: 5, reserved: 0 })
  })

  it('is undone wholly when the carrier refuses', async () => {
    await client.product('to-nowhere', { madrid: 5 })
    const address = { name: 'Base', line1: 'Ice 1', city: 'McMurdo', postal_code: '0', country: 'AQ' }
    const { status, body } = await client.place({ 'to-nowhere': 2 }, { address })
    expect([status, body.code]).toEqual([409, 'carrier_refused'])
    const ended = await client.final(body.order_id ?? '')
    expect(ended).toMatchObject({ status: 'rejected', payment: { status: 'voided' } })
    expect((await client.call('GET', `/payments/${body.order_id}`)).body.status).toBe('voided')
    expect(await client.stock('to-nowhere')).toEqual({ on_hand: 5, reserved: 0 })
  })

  it('sent twice at once under one key is one order, and under the same key with another body none', async () => {
    await client.product('once', { madrid: 100 })
    const headers = { 'idempotency-key': 'journey-once' }
    const both = await Promise.all(Array.from({ length: 10 }, () => client.place({ once: 3 }, {}, headers)))
    expect(new Set(both.map((reply) => reply.body.id)).size).toBe(1)
    expect(both.map((reply) => reply.status)).toEqual(both.map(() => 201))
    const other = await client.place({ once: 4 }, {}, headers)
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused'])
    expect(await client.stock('once')).toEqual({ on_hand: 100, reserved: 3 })
  })

  it('whose charge is made but whose answer is lost is charged once', async () => {
    const { body } = await client.place({ a1: 1 }, { payment_token: 'tok_timeout_after' }, { prefer: 'wait=20' })
    const ended = await client.final(body.id)
    expect(ended.status).toBe('confirmed')
  })

  it('is cancelled before dispatch with everything undone, and not after', async () => {
    await client.product('cancelled', { madrid: 10 })
    const { body } = await client.place({ cancelled: 4 })
    const cancelled = await client.call('POST', `/orders/${body.id}/cancel`, { body: { reason: 'changed my mind' } })
    expect([cancelled.status, cancelled.body.status]).toEqual([200, 'cancelled'])
    expect(await client.stock('cancelled')).toEqual({ on_hand: 10, reserved: 0 })
    expect((await client.call('GET', `/payments/${body.id}`)).body.status).toBe('voided')

    const gone = (await client.place({ cancelled: 4 })).body
    const [shipment] = gone.shipments as { id: string }[]
    expect((await client.call('POST', `/shipments/${shipment?.id}/dispatch`)).status).toBe(200)
    const late = await client.call('POST', `/orders/${gone.id}/cancel`, { body: {} })
    expect([late.status, late.body.code]).toEqual([409, 'already_dispatched'])
  })

  it('is captured and leaves the stock on dispatch, and is delivered', async () => {
    await client.product('leaves', { bilbao: 10 })
    const { body } = await client.place({ leaves: 4 })
    const [shipment] = body.shipments as { id: string }[]
    await client.call('POST', `/shipments/${shipment?.id}/dispatch`)
    await until('the order to be dispatched', async () => (await client.order(body.id)).status === 'dispatched')
    await until('the money to be captured', async () => ((await client.order(body.id)).payment as { status: string }).status === 'captured')
    expect(((await client.call('GET', `/payments/${body.id}`)).body as Record<string, unknown>).captured_minor).toBe(4_000)
    expect(await client.stock('leaves')).toEqual({ on_hand: 6, reserved: 0 })
    await client.call('POST', `/shipments/${shipment?.id}/deliver`)
    await until('the order to be delivered', async () => (await client.order(body.id)).status === 'delivered')
  })

  it('cancelled while its saga runs ends with everything undone', async () => {
    await client.product('racing', { madrid: 1_000 })
    const placed = await Promise.all(
      Array.from({ length: 40 }, () => client.place({ racing: 1 }, { payment_token: 'tok_slow' }, { prefer: 'respond-async' })),
    )
    const cancels = await Promise.all(placed.map(({ body }) => client.call('POST', `/orders/${body.id}/cancel`, { body: {} })))
    expect(new Set(cancels.map((reply) => reply.status)).size).toBeGreaterThan(0)
    for (const { body } of placed) expect((await client.final(body.id)).status).toBe('cancelled')
    expect(await client.stock('racing')).toEqual({ on_hand: 1_000, reserved: 0 })
  })
})
