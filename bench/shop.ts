import { orderBody } from './load.ts'

/** The products that benches sell, and orders for them. */
export const PRODUCTS = 1_000

export const product = (n: number) => `bench-${n}`

export async function createProducts(url: string): Promise<void> {
  for (let n = 0; n < PRODUCTS; n++) {
    const body = {
      id: product(n),
      name: `Bench ${n}`,
      unit_price_minor: 100 + n,
      currency: 'EUR',
      weight_grams: 100,
      stock: [{ location_id: 'madrid', on_hand: 100_000_000 }],
    }
    const answer = await fetch(`${url}/products`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!answer.ok) throw new Error(`product ${n}: ${answer.status} ${await answer.text()}`)
  }
}

const anyProduct = () => product(Math.floor(Math.random() * PRODUCTS))

export function randomPair(): [string, string] {
  const first = anyProduct()
  let second = anyProduct()
  while (second === first) second = anyProduct()
  return [first, second]
}

/** What all want. */
export const hotPair = (): [string, string] => [product(0), product(1)]

export const post = (pair: () => [string, string]) => () => ({ method: 'POST' as const, path: '/orders', body: orderBody(pair()) })
