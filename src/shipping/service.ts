import type { ServiceImplementation } from 'nice-grpc'
import type { CreateShipmentsCommand, Shipment, ShipmentCommand, ShippingServiceDefinition } from '../gen/comanda/v1/shipping.ts'
import { followCalls, followed } from '../platform/followed.ts'
import { isUuid } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import { type Answer, done, refused, toWire } from '../platform/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import { inTrace } from '../platform/tracing.ts'
import type { Carrier } from './carrier.ts'
import { createShipments } from './create.ts'
import { eraseShipments } from './erase.ts'
import type { Relay } from './relay.ts'
import { type Move, malformed, shipmentId } from './shipment.ts'
import * as store from './store.ts'

type Dependencies = { db: Database; carrier: Carrier; relay: Pick<Relay, 'wake'>; log: Log }

/** shipping over gRPC: makes shipments and dispatches them. Rules in shipment.ts, the booking in create.ts, SQL in store.ts. */
export function shippingService({ db, carrier, relay, log }: Dependencies): ServiceImplementation<ShippingServiceDefinition> {
  return {
    async createShipments({ commands }) {
      const wishes = commands.map(createCommand)
      const faults = wishes.map((wish) => (isUuid(wish.orderId) ? malformed(wish) : 'the order id must be a UUID'))
      const sound = wishes.filter((_, i) => faults[i] === undefined)
      const answers =
        sound.length > 0
          ? await createShipments({ db: followed(db, 'shipping', commands), carrier: followedCarrier(carrier, commands) }, sound)
          : []
      const byOrder = new Map(sound.map((wish, i) => [wish.orderId, answers[i] as Answer<store.ShipmentRow[]>]))
      const all = wishes.map(({ orderId }, i): Answer<store.ShipmentRow[]> => {
        const fault = faults[i]
        return fault === undefined ? (byOrder.get(orderId) as Answer<store.ShipmentRow[]>) : refused('invalid_shipment', fault)
      })
      tellAll('shipments booked', commands, all)
      if (all.some((answer) => answer.kind === 'refused')) relay.wake()
      return { outcomes: all.map((answer) => toWire(answer, (rows) => ({ shipments: rows.map(shipmentMessage) }))) }
    },
    async cancelShipments({ commands }) {
      const found = await store.cancelShipments(
        followed(db, 'shipping', commands),
        commands.map((command) => command.orderId).filter(isUuid),
      )
      const answers = commands.map(({ orderId }): Answer<store.ShipmentRow[]> => {
        const state = found.get(orderId)
        if (!state) return refused('invalid_shipment', 'the order id must be a UUID')
        return state.off ? done(state.shipments) : refused('already_dispatched', `the goods of order ${orderId} have left`)
      })
      tellAll('shipments called off', commands, answers)
      relay.wake()
      return { outcomes: answers.map((answer) => toWire(answer, (rows) => ({ shipments: rows.map(shipmentMessage) }))) }
    },
    dispatchShipments: ({ commands }) => moveAll(commands, 'dispatch'),
    deliverShipments: ({ commands }) => moveAll(commands, 'deliver'),
    async eraseShipments({ commands }) {
      const ids = commands.map((command) => command.orderId)
      const found = ids.every(isUuid) ? await eraseShipments(db, ids) : []
      const answers = ids.map((_, i): Answer<store.ShipmentRow[]> => found[i] ?? refused('invalid_shipment', 'the order id must be a UUID'))
      tellAll('shipments erased', commands, answers)
      return { outcomes: answers.map((answer) => toWire(answer, (rows) => ({ shipments: rows.map(shipmentMessage) }))) }
    },
    async getShipments({ shipmentIds }) {
      const found = await store.getShipments(db, shipmentIds)
      return { shipments: shipmentIds.flatMap((id) => found.get(id) ?? []).map(shipmentMessage) }
    },
  }

  async function moveAll(commands: readonly ShipmentCommand[], to: Move) {
    const moved = await store.moveShipments(
      db,
      commands.map((command) => command.shipmentId),
      to,
    )
    const answers = moved.map(
      (answer): Answer<store.ShipmentRow> => ('row' in answer ? done(answer.row) : refused(answer.code, answer.message)),
    )
    const keys = commands.map(({ shipmentId: id, requestId }) => ({ orderId: id.slice(0, 36), shipment_id: id.slice(0, 41), requestId }))
    tellAll(`shipment ${to}`, keys, answers)
    relay.wake()
    return { outcomes: answers.map((answer) => toWire(answer, shipmentMessage)) }
  }

  function tellAll(
    words: string,
    keys: readonly { orderId: string; requestId: string; shipment_id?: string; traceparent?: string }[],
    answers: readonly Answer<unknown>[],
  ) {
    answers.forEach((answer, i) => {
      const { orderId: order_id, requestId: request_id, shipment_id, traceparent } = keys[i] ?? {}
      const line = { order_id, shipment_id, request_id, ...inTrace(traceparent) }
      if (answer.kind === 'done') log.info(line, words)
      else log.info({ ...line, ...(answer.kind === 'refused' && { code: answer.code }) }, `${words}: ${answer.kind}, ${answer.message}`)
    })
  }
}

/** The carrier, with a span around each booking of these orders; as it was while nothing is traced. */
function followedCarrier(carrier: Carrier, commands: readonly CreateShipmentsCommand[]): Carrier {
  const follow = followCalls(commands)
  if (!follow) return carrier
  const book = follow(
    'carrier book',
    (requests: Parameters<Carrier['book']>[0]) => carrier.book(requests),
    ({ shipmentId: id }) => id.slice(0, 36),
  )
  return { book, cancel: (ids) => carrier.cancel(ids) }
}

function createCommand({ orderId, shippingMethod, address, parcels }: CreateShipmentsCommand): store.CreateCommand {
  return {
    orderId,
    shippingMethod: shippingMethod || 'standard',
    address: address
      ? {
          name: address.name,
          line1: address.line1,
          line2: address.line2,
          city: address.city,
          region: address.region,
          postal_code: address.postalCode,
          country: address.country,
        }
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
