import type { Shipment } from '../../gen/comanda/v1/shipping.ts'
import type { Answer } from '../../platform/outcome.ts'
import type { App, GatewayDependencies } from '../app.ts'
import { Problem, refusal } from '../errors.ts'
import { AnyId } from '../schemas.ts'
import { ProblemView, ShipmentView } from '../view-schemas.ts'
import { shipmentView } from '../views.ts'

const tags = ['shipments']
const response = { 200: ShipmentView, '4xx': ProblemView, '5xx': ProblemView }

export function shipmentRoutes(app: App, { clients }: GatewayDependencies): void {
  app.get('/shipments/:id', { schema: { summary: 'Get a shipment', tags, params: AnyId, response } }, async (request, reply) => {
    const shipment = await clients.getShipment(request.params.id)
    if (!shipment) throw new Problem('unknown_shipment', 'there is no such shipment')
    return reply.send(shipmentView(shipment))
  })

  const dispatch = { summary: 'The parcel has left: the payment is captured, the stock committed', tags, params: AnyId, response }
  app.post('/shipments/:id/dispatch', { schema: dispatch }, async (request, reply) => {
    const answer = await clients.dispatchShipment({ shipmentId: request.params.id, requestId: request.id })
    return reply.send(shipmentView(answered(answer)))
  })

  app.post('/shipments/:id/deliver', { schema: { summary: 'The parcel has arrived', tags, params: AnyId, response } }, async (request, reply) => {
    const answer = await clients.deliverShipment({ shipmentId: request.params.id, requestId: request.id })
    return reply.send(shipmentView(answered(answer)))
  })
}

function answered(answer: Answer<Shipment>): Shipment {
  if (answer.kind === 'refused') throw refusal(answer)
  if (answer.kind === 'unknown') throw new Problem('unavailable', answer.message, { retryAfter: 1 })
  return answer.value
}
