import { isUuid } from '../../platform/ids.ts'
import { seesOrder } from '../access/caller.ts'
import type { App, GatewayDependencies } from '../dependencies.ts'
import { Problem } from '../errors.ts'
import { AnyId } from '../schemas.ts'
import { PaymentView } from '../view-schemas.ts'
import { paymentView } from '../views.ts'

export function paymentRoutes(app: App, { clients }: GatewayDependencies): void {
  const get = {
    summary: 'Get the payment of an order (its id is the order id)',
    tags: ['payments'],
    params: AnyId,
    response: { 200: PaymentView },
  }
  app.get('/payments/:id', { schema: get, config: { scope: 'orders:read', problems: ['unknown_payment'] } }, async (request) => {
    const id = request.params.id.toLowerCase()
    const isTheirs = isUuid(id) && (await seesOrder(request.caller, { id, clients }))
    const payment = isTheirs ? await clients.getPayment(id) : undefined
    if (!payment) throw new Problem('unknown_payment', 'there is no such payment')
    return paymentView(payment)
  })
}
