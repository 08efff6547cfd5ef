import { seesOrder } from '../access/caller.ts'
import type { App, GatewayDependencies } from '../dependencies.ts'
import { doneOrThrow, Problem } from '../errors.ts'
import { AnyId, NoBody } from '../schemas.ts'
import { ShipmentView } from '../view-schemas.ts'
import { shipmentView } from '../views.ts'

const tags = ['shipments']
const response = { 200: ShipmentView }

export function shipmentRoutes(app: App, { clients }: GatewayDependencies): void {
  const get = { summary: 'Get a shipment', tags, params: AnyId, response }
  app.get('/shipments/:id', { schema: get, config: { scope: 'orders:read', problems: ['unknown_shipment'] } }, async (request) => {
    const shipment = await clients.getShipment(shipmentId(request.params.id))
    if (!shipment || !(await seesOrder(request.caller, { id: shipment.orderId, clients }))) throw unknownShipment()
    return shipmentView(shipment)
  })

  const dispatch = {
    summary: 'The parcel has left: the payment is captured, the stock committed',
    tags,
    params: AnyId,
    body: NoBody,
    response,
  }
  const dispatchProblems = ['unknown_shipment', 'shipment_cancelled', 'not_created'] as const
  app.post(
    '/shipments/:id/dispatch',
    { schema: dispatch, config: { scope: 'shipments:write', problems: dispatchProblems } },
    async (request) =>
      shipmentView(doneOrThrow(await clients.dispatchShipment({ shipmentId: shipmentId(request.params.id), requestId: request.id }))),
  )

  const deliver = { summary: 'The parcel has arrived', tags, params: AnyId, body: NoBody, response }
  const deliverProblems = ['unknown_shipment', 'shipment_cancelled', 'not_created', 'not_dispatched'] as const
  app.post(
    '/shipments/:id/deliver',
    { schema: deliver, config: { scope: 'shipments:write', problems: deliverProblems } },
    async (request) =>
      shipmentView(doneOrThrow(await clients.deliverShipment({ shipmentId: shipmentId(request.params.id), requestId: request.id }))),
  )
}

const unknownShipment = () => new Problem('unknown_shipment', 'there is no such shipment')

/** Ids are "<order id>-<number>"; what can't be one is not asked for. */
function shipmentId(given: string): string {
  const id = given.toLowerCase()
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-\d{1,4}$/.test(id)) throw unknownShipment()
  return id
}
