import { isUuid } from '../../platform/ids.ts'
import type { App, GatewayDependencies } from '../app.ts'
import { Problem } from '../errors.ts'
import { AnyId } from '../schemas.ts'
import { PaymentView, ProblemView } from '../view-schemas.ts'
import { paymentView } from '../views.ts'

export function paymentRoutes(app: App, { clients }: GatewayDependencies): void {
  const schema = { summary: 'Get the payment of an order (its id is the order id)', tags: ['payments'], params: AnyId, response: { 200: PaymentView, '4xx': ProblemView, '5xx': ProblemView } }
  app.get('/payments/:id', { schema }, async (request, reply) => {
    const payment = isUuid(request.params.id) ? await clients.getPayment(request.params.id) : undefined
    if (!payment) throw new Problem('unknown_payment', 'there is no such payment')
    return reply.send(paymentView(payment))
  })
}
