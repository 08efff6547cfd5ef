import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { orderBody, productBody } from '../../src/cli/northwind/convert.ts'
import { fixedPoint, readNorthwind } from '../../src/cli/northwind/files.ts'
import { expectedOf } from '../../src/cli/northwind/model.ts'
import { comanda, type FakeGateway, fakeGateway, orderJson, problem, type Reply, type Seen } from './fake-gateway.ts'

const SMALL = 'test/cli/fixtures/northwind'
const REAL = '../shared/data/northwind'
const small = readNorthwind(SMALL)

describe('reading Northwind', () => {
  it('keeps accents, addresses with loose commas, and turns NULL into nothing', () => {
    expect(small.products[0]).toEqual({ id: '1', name: 'Crème brûlée', unitPriceMinor: 1800, unitsInStock: 39, isDiscontinued: false })
    expect(small.orders[1]?.ship).toEqual({
      name: "Bob's",
      address: 'Rua do Paço, 67',
      city: 'Rio de Janeiro',
      region: 'RJ',
      postalCode: '05454-876',
      country: 'Brazil',
    })
    expect(small.orders[2]?.ship).toMatchObject({ region: undefined, postalCode: undefined })
  })

  it('reads dollars and fractions without floats in between', () => {
    expect(['32.38', '0.1', '7', '0.150', '1.005', '-1', ''].map((text) => fixedPoint(text, 2))).toEqual([
      3238,
      10,
      700,
      15,
      undefined,
      undefined,
      undefined,
    ])
    expect(fixedPoint('0.15', 4)).toBe(1500)
  })

  it('makes an order of it as POST /orders takes it', () => {
    expect(orderBody(small.orders[1] as never)).toEqual({
      user_id: 'BOB',
      items: [
        { product_id: 'nw-2', quantity: 8 },
        { product_id: 'nw-1', quantity: 1 },
      ],
      payment_method: 'credit_card',
      currency: 'USD',
      freight_minor: 1160,
      shipping_method: 'express',
      address: { name: "Bob's", line1: 'Rua do Paço, 67', city: 'Rio de Janeiro', region: 'RJ', postal_code: '05454-876', country: 'BR' },
      metadata: { northwind_order: '2' },
    })
    expect(orderBody(small.orders[0] as never).items[1]).toEqual({ product_id: 'nw-2', quantity: 10, discount_basis_points: 1500 })
    expect(productBody(small.products[2] as never)).toMatchObject({
      id: 'nw-3',
      status: 'discontinued',
      stock: [{ location_id: 'northwind', on_hand: 13 }],
    })
  })

  it('says which file is missing', () => {
    expect(() => readNorthwind('test')).toThrow(/test\/products.csv can't be read \(ENOENT\)/)
  })
})

describe('the model', () => {
  it('places all or nothing, in order, with the first reason that holds', () => {
    const { orders, left } = expectedOf(small)
    expect(orders).toEqual([
      // 12 × 18.00 + 10 × 19.05 less 15 % (161.925, half up) + 32.38
      { outcome: 'confirmed', totalMinor: 21_600 + 16_193 + 3_238 },
      { outcome: 'rejected', code: 'out_of_stock' },
      { outcome: 'rejected', code: 'product_discontinued' },
      // 7 × 19.05 less 5 % (126.6825) + 1.01: the units that order 2 did not get are there
      { outcome: 'confirmed', totalMinor: 12_668 + 101 },
      { outcome: 'rejected', code: 'unknown_product' },
    ])
    expect([...left]).toEqual([
      ['1', 27],
      ['2', 0],
      ['3', 13],
    ])
  })

  it.skipIf(!existsSync(REAL))(`reads the real Northwind (skipped where ${REAL} is missing)`, () => {
    const real = readNorthwind(REAL)
    expect([real.products.length, real.orders.length, real.orders.flatMap((order) => order.items).length]).toEqual([77, 830, 2155])
    expect(new Set(real.orders.map((order) => orderBody(order).address?.country)).size).toBe(21)
    const { orders, left } = expectedOf(real)
    expect(orders.filter((order) => order.outcome === 'confirmed').length).toBeGreaterThan(50)
    expect(Math.min(...left.values())).toBe(0)
  })
})

describe('comanda import northwind', () => {
  let dir: string
  let gateway: FakeGateway
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'comanda-northwind-'))
  })
  afterEach(async () => {
    await gateway.close()
    rmSync(dir, { recursive: true, force: true })
  })

  /** A gateway that knows the products it was given, and what becomes of each order. */
  function shop(answers: Record<string, (seen: Seen) => Reply>): (seen: Seen) => Reply {
    const products = new Map<string, Record<string, unknown>>()
    const left: Record<string, number> = { 'nw-1': 27, 'nw-2': 0, 'nw-3': 13 }
    return (seen) => {
      if (seen.path === '/orders')
        return answers[(seen.body.metadata as { northwind_order: string }).northwind_order]?.(seen) ?? { status: 500 }
      const id = seen.path.split('/')[2] ?? String(seen.body.id)
      if (seen.method === 'GET') return { status: 200, body: { ...products.get(id), available: left[id] } }
      if (products.has(id)) return problem(409, 'product_exists')
      products.set(id, seen.body)
      return { status: 201, body: seen.body }
    }
  }
  const confirmed = (total_minor: number) => (seen: Seen) => ({
    status: 201,
    body: orderJson(seen.body, { total_minor, currency: 'USD', shipments: [{ items: seen.body.items }] }),
  })
  const right = {
    1: confirmed(41_031),
    2: () => problem(409, 'out_of_stock', { order_id: 'o2' }),
    3: () => problem(409, 'product_discontinued', { order_id: 'o3' }),
    4: confirmed(12_769),
    5: () => problem(409, 'unknown_product', { order_id: 'o5' }),
  }
  const run = () =>
    comanda('import', 'northwind', SMALL, '--url', gateway.url, '--no-progress', '--orders-out', join(dir, 'made', 'orders.ndjson'))

  it('agrees with a server that is right, also the second time', async () => {
    gateway = await fakeGateway(shop(right))
    const first = await run()
    expect(first).toMatchObject({
      code: 0,
      out: expect.stringContaining('server and model agree on all 5 orders: 2 confirmed for 538.00 USD, 3 rejected'),
    })
    expect(first.err).toContain('3 created at location northwind')
    expect(first.err).toContain('2 of their 8 items were sold at another price then')
    expect(readFileSync(join(dir, 'made', 'orders.ndjson'), 'utf8').split('\n').length).toBe(6)
    const second = await run()
    expect(second).toMatchObject({ code: 0, err: expect.stringContaining('3 were there already') })
    const keys = gateway.orders().map((seen) => seen.key)
    expect(keys.slice(5)).toEqual(keys.slice(0, 5))
  })

  it.each([
    ['a total that is a cent off', { 4: confirmed(12_768) }, 'order 4: expected confirmed for 127.69 USD, got confirmed for 127.68 USD'],
    [
      'another reason',
      { 3: () => problem(409, 'out_of_stock', { order_id: 'o3' }) },
      'order 3: expected rejected product_discontinued, got rejected out_of_stock',
    ],
    [
      'a shipment that lacks something',
      { 1: (seen: Seen) => ({ status: 201, body: orderJson(seen.body, { total_minor: 41_031 }) }) },
      'order 1: 12 of nw-1 ordered, 0 in its shipments',
    ],
  ])('finds %s, and fails', async (_, wrong, words) => {
    gateway = await fakeGateway(shop({ ...right, ...wrong }))
    const { code, out, err } = await run()
    expect(code).toBe(1)
    expect(err).toContain(words)
    expect(out).toContain('server and model differ')
  })
})
