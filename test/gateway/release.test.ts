import { ClientError, Status } from 'nice-grpc'
import { expect, it } from 'vitest'
import type { Clients } from '../../src/gateway/clients.ts'
import { Order } from '../../src/gen/comanda/v1/orders.ts'
import { Discrepancy, ReleasedCharge } from '../../src/gen/comanda/v1/payment.ts'
import { done, refused } from '../../src/platform/outcome.ts'
import { gatewayWith, ID } from './fakes.ts'

const [GONE, HERE, CAPTURED] = [ID, ID.replace(/^./, 'a'), ID.replace(/^./, 'b')]
const missing = (orderId: string, kind = 'missing_here') =>
  Discrepancy.fromPartial({ id: 1, key: `auth:${orderId}`, orderId, kind, firstSeen: new Date(0), lastSeen: new Date(0) })

async function release(payload: object, orders: Partial<Clients> = {}) {
  const asked: Parameters<Clients['releaseCharges']>[0] = []
  const app = await gatewayWith({
    getOrder: async (id) => (id === HERE ? Order.fromPartial({ id }) : undefined),
    listDiscrepancies: async ({ after }) => ({
      discrepancies: [missing(GONE), missing(HERE), missing(CAPTURED), missing(''), missing(GONE, 'status_differs')],
      next: after === 0 ? 7 : 0,
    }),
    releaseCharges: async (commands) => {
      asked.push(...commands)
      const released = (orderId = '') =>
        ReleasedCharge.fromPartial({ orderId, ref: 'ch_1', status: 'authorised', amountMinor: 5, currency: 'EUR' })
      return commands.map(({ orderId }) => (orderId === CAPTURED ? refused('charge_captured', 'taken') : done(released(orderId))))
    },
    ...orders,
  })
  const reply = await app.inject({ method: 'POST', url: '/discrepancies/release', payload })
  await app.close()
  return { reply, asked }
}

it('charges of orders that orders does not know are let go, and no others', async () => {
  const { reply, asked } = await release({ reason: 'restored', refund_captured: true })
  expect(reply.statusCode).toBe(200)
  expect(asked.map(({ orderId, reason, refundCaptured, dryRun }) => [orderId, reason, refundCaptured, dryRun])).toEqual([
    [GONE, 'restored', true, false],
    [CAPTURED, 'restored', true, false],
  ])
  expect(reply.json()).toMatchObject({
    dry_run: false,
    released: [{ order_id: GONE, ref: 'ch_1', status: 'authorised', amount_minor: 5, currency: 'EUR' }],
    left: [
      { order_id: HERE, code: 'order_exists' },
      { order_id: CAPTURED, code: 'charge_captured', detail: 'taken' },
      { order_id: null, code: 'not_ours' },
    ],
    next: '7',
  })
})
it('the last page has no next', async () => {
  expect((await release({ dry_run: true, after: '7' })).reply.json()).toMatchObject({ dry_run: true, next: null })
})
it('needs a reason, unless it only looks', async () => {
  const { reply, asked } = await release({})
  expect([reply.statusCode, reply.json().code, asked]).toEqual([400, 'invalid_request', []])
})
it('nothing is let go while orders can not be asked', async () => {
  const { reply, asked } = await release(
    { reason: 'restored' },
    { getOrder: () => Promise.reject(new ClientError('', Status.UNAVAILABLE, 'down')) },
  )
  expect([reply.statusCode, asked]).toEqual([503, []])
})

it('a gateway that takes no orders refuses them before they are read, and does all else', async () => {
  const app = await gatewayWith({ getOrder: async () => undefined }, { takeOrders: 'off' })
  for (const url of ['/orders', '/orders/bulk']) {
    const reply = await app.inject({ method: 'POST', url, payload: 'not even JSON', headers: { 'content-type': 'application/json' } })
    expect([reply.statusCode, reply.json().code, reply.headers['retry-after']]).toEqual([503, 'not_taking_orders', '60'])
  }
  expect((await app.inject(`/orders/${ID}`)).json().code).toBe('unknown_order')
  expect((await app.inject({ method: 'POST', url: '/discrepancies/release', payload: {} })).json().code).toBe('invalid_request')
  await app.close()
})
