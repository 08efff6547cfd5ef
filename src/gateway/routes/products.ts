import { newId } from '../../platform/ids.ts'
import type { Product } from '../../gen/comanda/v1/inventory.ts'
import type { Answer } from '../../platform/outcome.ts'
import type { App, GatewayDependencies } from '../app.ts'
import { Problem, refusal } from '../errors.ts'
import { AdjustBody, AnyId, ProductBody, ProductsQuery, ReceiveBody } from '../schemas.ts'
import { ProblemView, ProductsView, ProductView } from '../view-schemas.ts'
import { productView } from '../views.ts'

const tags = ['products']
const PAGE = 50
const problems = { '4xx': ProblemView, '5xx': ProblemView }

export function productRoutes(app: App, { clients }: GatewayDependencies): void {
  const list = { summary: 'List products by id', tags, querystring: ProductsQuery, response: { 200: ProductsView, ...problems } }
  app.get('/products', { schema: list }, async (request) => {
    const { after = '', limit, available_at_most } = request.query
    const page = await clients.listProducts({ after, limit: Number(limit ?? PAGE), availableAtMost: available_at_most === undefined ? -1 : Number(available_at_most) })
    return { products: page.products.map(productView), next: page.next || null }
  })

  app.get('/products/:id', { schema: { summary: 'Get a product and its stock', tags, params: AnyId, response: { 200: ProductView, ...problems } } }, async (request, reply) => {
    const product = await clients.getProduct(request.params.id)
    if (!product) throw new Problem('unknown_product', 'there is no such product')
    return reply.send(productView(product))
  })

  app.post('/products', { schema: { summary: 'Create a product', tags, body: ProductBody, response: { 201: ProductView, ...problems } } }, async (request, reply) => {
    const { id, name, unit_price_minor: unitPriceMinor, currency, weight_grams: weightGrams = 0, status = 'active', stock = [] } = request.body
    const levels = stock.map((level) => ({ locationId: level.location_id, onHand: level.on_hand, reserved: 0 }))
    const product = answered(await clients.createProduct({ id, name, unitPriceMinor, currency, weightGrams, status, stock: levels }))
    return reply.code(201).header('location', `/products/${id}`).send(productView(product))
  })

  const receive = { summary: 'Receive goods', tags, params: AnyId, body: ReceiveBody, response: { 200: ProductView, ...problems } }
  app.post('/products/:id/receive', { schema: receive }, async (request, reply) => {
    const { location_id: locationId, quantity, reason = 'received', receipt_id: receiptId = newId() } = request.body
    const product = answered(await clients.receiveStock({ receiptId, productId: request.params.id, locationId, quantity, reason }))
    return reply.send(productView(product))
  })

  const adjust = { summary: 'Set the counted stock, if it still is what you saw', tags, params: AnyId, body: AdjustBody, response: { 200: ProductView, ...problems } }
  app.post('/products/:id/adjust', { schema: adjust }, async (request, reply) => {
    const { location_id: locationId, on_hand: onHand, expected_on_hand: expectedOnHand, reason } = request.body
    const product = answered(await clients.adjustStock({ productId: request.params.id, locationId, onHand, expectedOnHand, reason }))
    return reply.send(productView(product))
  })
}

function answered(answer: Answer<Product>): Product {
  if (answer.kind === 'refused') throw refusal(answer)
  if (answer.kind === 'unknown') throw new Problem('unavailable', answer.message, { retryAfter: 1 })
  return answer.value
}
