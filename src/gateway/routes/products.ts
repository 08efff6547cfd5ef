import type { Product } from '../../gen/comanda/v1/inventory.ts'
import { isName, newId } from '../../platform/ids.ts'
import type { Answer } from '../../platform/outcome.ts'
import type { App, GatewayDependencies } from '../dependencies.ts'
import { doneOrThrow, Problem } from '../errors.ts'
import { refuseRepeats } from '../place-command.ts'
import { AdjustBody, AnyId, ProductBody, ProductsQuery, ReceiveBody } from '../schemas.ts'
import { ProductsView, ProductView } from '../view-schemas.ts'
import { productView } from '../views.ts'

const tags = ['products']
const PAGE = 50
const reading = { scope: 'stock:read', problems: ['not_found'] } as const
const writing = { scope: 'stock:write', problems: ['not_found'] } as const

export function productRoutes(app: App, { clients }: GatewayDependencies): void {
  const list = { summary: 'List products by id', tags, querystring: ProductsQuery, response: { 200: ProductsView } }
  app.get('/products', { schema: list, config: { scope: 'stock:read' } }, async (request) => {
    const { after = '', limit, available_at_most: most } = request.query
    const page = await clients.listProducts({ after, limit: Number(limit ?? PAGE), availableAtMost: Number(most ?? -1) })
    return { products: page.products.map(productView), next: page.next || null }
  })

  const get = { summary: 'Get a product and its stock', tags, params: AnyId, response: { 200: ProductView } }
  app.get('/products/:id', { schema: get, config: reading }, async (request) => {
    const product = await clients.getProduct(productId(request.params.id))
    if (!product) throw noSuchProduct()
    return productView(product)
  })

  const create = { summary: 'Create a product', tags, body: ProductBody, response: { 201: ProductView } }
  app.post('/products', { schema: create, config: { scope: 'stock:write', problems: ['product_exists'] } }, async (request, reply) => {
    const {
      id,
      name,
      unit_price_minor: unitPriceMinor,
      currency,
      weight_grams: weightGrams = 0,
      status = 'active',
      stock = [],
    } = request.body
    refuseRepeats('stock', 'location_id', stock)
    const levels = stock.map((level) => ({ locationId: level.location_id, onHand: level.on_hand, reserved: 0 }))
    const product = doneOrThrow(await clients.createProduct({ id, name, unitPriceMinor, currency, weightGrams, status, stock: levels }))
    return reply.code(201).header('location', `/products/${id}`).send(productView(product))
  })

  const receive = { summary: 'Receive goods; once per receipt_id', tags, params: AnyId, body: ReceiveBody, response: { 200: ProductView } }
  app.post('/products/:id/receive', { schema: receive, config: writing }, async (request) => {
    const { location_id: locationId, quantity, reason = 'received', receipt_id: receiptId = newId() } = request.body
    return productOf(await clients.receiveStock({ receiptId, productId: productId(request.params.id), locationId, quantity, reason }))
  })

  const adjust = {
    summary: 'Set the counted stock, if it still is what you saw',
    tags,
    params: AnyId,
    body: AdjustBody,
    response: { 200: ProductView },
  }
  const problems = ['not_found', 'unknown_location', 'stock_changed', 'below_reserved'] as const
  app.post('/products/:id/adjust', { schema: adjust, config: { scope: 'stock:write', problems } }, async (request) => {
    const { location_id: locationId, on_hand: onHand, expected_on_hand: expectedOnHand, reason } = request.body
    return productOf(await clients.adjustStock({ productId: productId(request.params.id), locationId, onHand, expectedOnHand, reason }))
  })
}

/** A product in the path that isn't there is 404; `unknown_product` (422) is one named in an order's body. */
const noSuchProduct = () => new Problem('not_found', 'there is no such product')

/** What a command for the product in the path has made of it. @throws a problem. */
function productOf(answer: Answer<Product>) {
  if (answer.kind === 'refused' && answer.code === 'unknown_product') throw noSuchProduct()
  return productView(doneOrThrow(answer))
}

/** What can't be the id of a product is not asked for: PostgreSQL takes no NUL, and one bad item fails its whole batch. */
function productId(given: string): string {
  if (!isName(given)) throw noSuchProduct()
  return given
}
