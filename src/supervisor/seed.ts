import { InventoryServiceDefinition } from '../gen/comanda/v1/inventory.ts'
import type { Config } from '../platform/config.ts'
import { connectGrpc } from '../platform/grpc.ts'

/** A shop to try things in: on the first start, some 200 products of kitchen and larder. Always the same ones. */

const GOODS = [
  'Aceite de oliva',
  'Vinagre de Jerez',
  'Pimentón dulce',
  'Azafrán',
  'Miel de romero',
  'Turrón',
  'Queso curado',
  'Jamón ibérico',
  'Arroz bomba',
  'Garbanzos',
  'Café en grano',
  'Chocolate negro',
  'Sal en escamas',
  'Almendras',
  'Aceitunas',
  'Anchoas',
  'Paellera',
  'Cuchillo cebollero',
  'Cazuela de barro',
  'Delantal',
] as const
const KINDS = [
  'clásico',
  'ecológico',
  'pequeño',
  'grande',
  'de la casa',
  'añejo',
  'para regalo',
  'de temporada',
  'en oferta',
  'edición limitada',
] as const
const LOCATIONS = ['madrid', 'sevilla', 'bilbao'] as const
const PLENTY = 10_000

type Seed = {
  id: string
  name: string
  unitPriceMinor: number
  weightGrams: number
  status: string
  stock: { locationId: string; onHand: number; reserved: number }[]
}

export function catalogue(): Seed[] {
  const plenty = LOCATIONS.slice(0, 2).map((locationId) => ({ locationId, onHand: PLENTY, reserved: 0 }))
  const known = [
    { id: 'a1', name: 'Aceite de oliva virgen extra, 1 l', unitPriceMinor: 1_295, weightGrams: 950, status: 'active', stock: plenty },
    { id: 'b2', name: 'Bote de pimentón de la Vera', unitPriceMinor: 345, weightGrams: 120, status: 'active', stock: plenty },
  ]
  const rest = GOODS.flatMap((good, g) => KINDS.map((kind, k) => seed({ n: g * KINDS.length + k, name: `${good} ${kind}` })))
  return [...known, ...rest]
}

function seed({ n, name }: { n: number; name: string }): Seed {
  // Every tenth is nearly sold out (1 to 5 units), every fiftieth is not sold any more.
  const units = n % 10 === 7 ? 1 + (Math.floor(n / 10) % 5) : 20 + ((n * 37) % 400)
  const places = LOCATIONS.slice(0, 1 + (n % LOCATIONS.length))
  const share = Math.floor(units / places.length)
  const stock = places.map((locationId, i) => ({ locationId, onHand: i === 0 ? units - share * (places.length - 1) : share, reserved: 0 }))
  return {
    id: `p${String(n + 1).padStart(3, '0')}`,
    name,
    unitPriceMinor: 150 + ((n * 733) % 9_800),
    weightGrams: 50 + ((n * 97) % 2_400),
    status: n % 50 === 49 ? 'discontinued' : 'active',
    stock,
  }
}

/** Fills an empty catalogue. @returns how many products were made: 0 when there were some already. */
export async function seedCatalogue(config: Config): Promise<number> {
  const client = connectGrpc(InventoryServiceDefinition, config.grpc.addresses.inventory, 10_000)
  try {
    const { pages } = await client.listProducts({ queries: [{ limit: 1, availableAtMost: -1 }] })
    if ((pages[0]?.products.length ?? 0) > 0) return 0
    const products = catalogue().map((product) => ({ ...product, currency: 'EUR' }))
    const { outcomes } = await client.createProducts({ products })
    for (const { outcome } of outcomes) if (outcome?.$case === 'refused') throw new Error(outcome.value.message)
    return products.length
  } finally {
    client.close()
  }
}
