import type { ServiceImplementation } from 'nice-grpc'
import type { InventoryServiceDefinition, Product } from '../gen/comanda/v1/inventory.ts'
import { followed } from '../platform/followed.ts'
import type { Log } from '../platform/log.ts'
import { meter } from '../platform/metrics.ts'
import { type Answer, toWire } from '../platform/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import { inTrace } from '../platform/tracing.ts'
import * as catalogue from './catalogue-store.ts'
import type { Reservation } from './stock.ts'
import * as store from './store.ts'

const MAX_PAGE = 500

/** inventory over gRPC: validates and updates stock. Rules in stock.ts, SQL in the stores. */
export function inventoryService({ db, log }: { db: Database; log: Log }): ServiceImplementation<InventoryServiceDefinition> {
  const tell = (
    words: string,
    commands: readonly { orderId: string; requestId: string; traceparent: string }[],
    answers: readonly Answer<unknown>[],
  ) => {
    for (const [i, { orderId, requestId, traceparent }] of commands.entries()) {
      const line = { order_id: orderId, request_id: requestId, ...inTrace(traceparent) }
      const answer = answers[i]
      if (answer?.kind === 'refused') log.info({ ...line, code: answer.code }, `${words} refused: ${answer.message}`)
      else log.info(line, words)
    }
  }
  const to = meter()
  return {
    async reserveStock({ commands }) {
      const answers = await store.reserveStock(followed(db, 'inventory', commands), commands)
      tell('stock reserved', commands, answers)
      for (const answer of answers)
        to?.count('comanda_reservations_total', { outcome: answer.kind === 'refused' ? answer.code : 'reserved' })
      return { outcomes: answers.map((answer, i) => toWire(answer, (value) => reservationMessage(commands[i]?.orderId ?? '', value))) }
    },
    async releaseStock({ commands }) {
      const answers = await store.releaseStock(
        followed(db, 'inventory', commands),
        commands.map((command) => command.orderId),
      )
      tell('stock released', commands, answers)
      return { outcomes: answers.map((answer) => toWire(answer, () => ({}))) }
    },
    async commitStock({ commands }) {
      const answers = await store.commitStock(followed(db, 'inventory', commands), commands)
      tell('stock committed', commands, answers)
      return { outcomes: answers.map((answer) => toWire(answer, () => ({}))) }
    },
    async getProducts({ productIds }) {
      const found = await catalogue.getProducts(db, productIds)
      return { products: productIds.flatMap((id) => found.get(id) ?? []).map(productMessage) }
    },
    async listProducts({ queries }) {
      const pages = queries.map(async (query) => {
        const limit = Math.min(Math.max(query.limit, 1), MAX_PAGE)
        const found = await catalogue.listProducts(db, { ...query, limit })
        return { products: found.map(productMessage), next: found.length === limit ? (found.at(-1)?.id ?? '') : '' }
      })
      return { pages: await Promise.all(pages) }
    },
    async createProducts({ products }) {
      const answers = await catalogue.createProducts(db, products.map(newProduct))
      const refused = answers.filter((answer) => answer.kind === 'refused').length
      log.info({ products: products.length, refused, first: products[0]?.id }, 'products created')
      return { outcomes: answers.map((answer) => toWire(answer, productMessage)) }
    },
    async receiveStock({ commands }) {
      const answers = await catalogue.receiveStock(db, commands)
      for (const c of commands) {
        log.info({ product_id: c.productId, location_id: c.locationId, quantity: c.quantity, receipt_id: c.receiptId }, 'stock received')
      }
      return { outcomes: answers.map((answer) => toWire(answer, productMessage)) }
    },
    async adjustStock({ commands }) {
      const answers: Answer<catalogue.ProductRow>[] = []
      for (const command of commands) {
        const answer = await catalogue.adjustStock(db, command)
        const { productId: product_id, locationId: location_id, onHand: on_hand, reason } = command
        log.info({ product_id, location_id, on_hand, reason }, `stock adjusted: ${answer.kind}`)
        answers.push(answer)
      }
      return { outcomes: answers.map((answer) => toWire(answer, productMessage)) }
    },
  }
}

function reservationMessage(orderId: string, { currency, items }: Reservation) {
  return {
    orderId,
    currency,
    items: items.map((item) => ({
      productId: item.product_id,
      quantity: item.quantity,
      unitPriceMinor: item.unit_price_minor,
      weightGrams: item.weight_grams,
      allocations: item.allocations.map((part) => ({ locationId: part.location_id, quantity: part.quantity })),
    })),
  }
}

function productMessage(row: catalogue.ProductRow): Product {
  return {
    id: row.id,
    name: row.name,
    unitPriceMinor: row.unit_price_minor,
    currency: row.currency,
    weightGrams: row.weight_grams,
    status: row.status,
    stock: row.stock.map((level) => ({ locationId: level.location_id, onHand: level.on_hand, reserved: level.reserved })),
    createdAt: row.created_at,
  }
}

function newProduct(message: Product): catalogue.NewProduct {
  return {
    id: message.id,
    name: message.name,
    unit_price_minor: message.unitPriceMinor,
    currency: message.currency,
    weight_grams: message.weightGrams,
    status: message.status === 'discontinued' ? 'discontinued' : 'active',
    stock: message.stock.map((level) => ({ location_id: level.locationId, on_hand: level.onHand, reserved: 0 })),
  }
}
