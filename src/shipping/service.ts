import type { ServiceImplementation } from 'nice-grpc'
import type { CreateShipmentsCommand, Shipment, ShipmentCommand, ShippingServiceDefinition } from '../gen/comanda/v1/shipping.ts'
import { isUuid } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import { type Answer, done, refused, toWire } from '../platform/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import type { Carrier } from './carrier.ts'
import { createShipments } from './create.ts'
import type { Relay } from './relay.ts'
import { type Move, shipmentId } from './shipment.ts'
import * as store from './store.ts'

type Dependencies = { db: Database; carrier: Carrier; relay: Pick<Relay, 'wake'>; log: Log }

/** shipping over gRPC: makes shipments and dispatches them. Rules in shipment.ts, the booking in create.ts, SQL in store.ts. */
export function shippingService({ db, carrier, relay, log }: Dependencies): ServiceImplementation<ShippingServiceDefinition> {
  return {
    async createShipments({ commands }) {
      const sound = commands.filter((command) => isUuid(command.orderId))
      const answers = await createShipments({ db, carrier }, sound.map(createCommand))
      const byOrder = new Map(sound.map((command, i) => [command.orderId, answers[i]]))
      const all = commands.map((command) => byOrder.get(command.orderId) ?? refused('invalid_shipment', 'the order id must be a UUID'))
      commands.forEach((command, i) => tell('shipments booked', command, all[i] as Answer<unknown>))
      if (all.some((answer) => answer.kind === 'refused')) relay.wake()
      return { outcomes: all.map((answer) => toWire(answer, (rows) => ({ shipments: rows.map(shipmentMessage) }))) }
    },
    async cancelShipments({ commands }) {
      const found = await store.cancelShipments(db, commands.map((command) => command.orderId).filter(isUuid))
      const answers = commands.map(({ orderId }): Answer<store.ShipmentRow[]> => {
        const state = found.get(orderId)
        if (!state) return refused('invalid_shipment', 'the order id must be a UUID')
        return state.off ? done(state.shipments) : refused('already_dispatched', `the goods of order ${orderId} have left`)
      })
      commands.forEach((command, i) => tell('shipments called off', command, answers[i] as Answer<unknown>))
      relay.wake()
      return { outcomes: answers.map((answer) => toWire(answer, (rows) => ({ shipments: rows.map(shipmentMessage) }))) }
    },
    dispatchShipments: ({ commands }) => moveAll(commands, 'dispatch'),
    deliverShipments: ({ commands }) => moveAll(commands, 'deliver'),
    async getShipments({ shipmentIds }) {
      const found = await store.getShipments(db, shipmentIds)
      return { shipments: shipmentIds.flatMap((id) => found.get(id) ?? []).map(shipmentMessage) }
    },
  }

  async function moveAll(commands: readonly ShipmentCommand[], to: Move) {
    const moved = await store.moveShipments(db, commands.map((command) => command.shipmentId), to)
    const answers = moved.map((answer): Answer<store.ShipmentRow> => ('row' in answer ? done(answer.row) : refused(answer.code, answer.message)))
    commands.forEach(({ shipmentId: id, requestId }, i) => tell(`shipment ${to}`, { orderId: id.slice(0, 36), requestId }, answers[i] as Answer<unknown>))
    relay.wake()
    return { outcomes: answers.map((answer) => toWire(answer, shipmentMessage)) }
  }

  function tell(words: string, { orderId, requestId }: { orderId: string; requestId: string }, answer: Answer<unknown>) {
    const line = { order_id: orderId, request_id: requestId }
    if (answer.kind === 'done') log.info(line, words)
    else log.info({ ...line, ...(answer.kind === 'refused' && { code: answer.code }) }, `${words}: ${answer.kind}, ${answer.message}`)
  }
}

function createCommand({ orderId, shippingMethod, address, parcels }: CreateShipmentsCommand): store.CreateCommand {
  return {
    orderId,
    shippingMethod,
    address: address
      ? { name: address.name, line1: address.line1, line2: address.line2, city: address.city, region: address.region, postal_code: address.postalCode, country: address.country }
      : null,
    parcels: parcels.map(({ locationId, weightGrams, items }) => ({
      locationId,
      weightGrams,
      items: items.map((item) => ({ product_id: item.productId, quantity: item.quantity })),
    })),
  }
}

function shipmentMessage(row: store.ShipmentRow): Shipment {
  return {
    id: shipmentId({ orderId: row.order_id, number: row.number }),
    orderId: row.order_id,
    status: row.status,
    locationId: row.location_id,
    carrier: row.carrier,
    trackingNumber: row.tracking_number,
    shippingMethod: row.shipping_method,
    address: row.address ? { ...row.address, postalCode: row.address.postal_code } : undefined,
    items: row.items.map((item) => ({ productId: item.product_id, quantity: item.quantity })),
    weightGrams: row.weight_grams,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
