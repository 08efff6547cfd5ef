import type { Api } from '../api.ts'
import { Failure } from '../failure.ts'
import { type ProductJson, problemOf } from '../wire.ts'
import { productBody } from './convert.ts'
import type { NorthwindProduct } from './files.ts'

/** Creates the products; one that exists already with the same name, price and status is fine. Throws a {@link Failure} for any other. */
export async function createProducts(api: Api, products: NorthwindProduct[]): Promise<{ created: number; existing: number }> {
  const counts = { created: 0, existing: 0 }
  const startedAt = Date.now()
  for (const product of products) {
    const body = productBody(product)
    // Made by its own id, so trying again can't make two.
    const answer = await api.send({ method: 'POST', path: '/products', body, isRepeatable: true })
    if (answer.status === 201 || answer.status === 200) {
      // The same product again gets the one that exists.
      const isOld = Date.parse((answer.body as ProductJson).created_at) < startedAt
      counts[isOld ? 'existing' : 'created']++
      continue
    }
    const problem = problemOf(answer)
    if (problem.code !== 'product_exists')
      throw new Failure(`product ${body.id} (${body.name}) was refused: ${problem.code}: ${problem.detail}`)
    const found = await api.get<ProductJson>(`/products/${body.id}`)
    const other = (['name', 'unit_price_minor', 'currency', 'status'] as const).filter((field) => found[field] !== body[field])
    if (other.length > 0)
      throw new Failure(
        `product ${body.id} exists already with another ${other.map((field) => `${field} (${found[field]}, not ${body[field]})`).join(', ')}`,
      )
    counts.existing++
  }
  return counts
}

/** The products as they stand now. */
export async function readProducts(api: Api, products: NorthwindProduct[]): Promise<ProductJson[]> {
  const found: ProductJson[] = []
  for (const product of products) found.push(await api.get<ProductJson>(`/products/${productBody(product).id}`))
  return found
}
