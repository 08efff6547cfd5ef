import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCsv } from '../../src/cli/batch/csv.ts'
import type { Entry } from '../../src/cli/batch/entry.ts'
import { formatOf } from '../../src/cli/batch/input.ts'
import { readJson } from '../../src/cli/batch/json.ts'
import { readNdjson } from '../../src/cli/batch/ndjson.ts'
import { linesOf } from '../../src/platform/lines.ts'

type Reader = (chunks: AsyncIterable<Buffer>) => AsyncGenerator<Entry>

/** Reads the text cut into chunks of `size` bytes, so that every border falls somewhere else. */
async function read(reader: Reader, content: string | Buffer, size = 7): Promise<Entry[]> {
  return allOf(reader(chunksOf(Buffer.from(content), size)))
}

async function allOf<T>(source: AsyncGenerator<T>): Promise<T[]> {
  const all: T[] = []
  for await (const one of source) all.push(one)
  return all
}

async function* chunksOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size))
}

const outline = (entries: Entry[]) =>
  entries.map((entry) => (entry.kind === 'bad' ? `${entry.line}: ${entry.problem}` : `${entry.line}: ${JSON.stringify(entry.order)}`))
const order = (user_id: string) => ({ user_id, items: [{ product_id: 'a1', quantity: 2 }], payment_method: 'credit_card' })
const json = (user_id: string) => JSON.stringify(order(user_id))

describe('NDJSON', () => {
  it('gives an order per line, with CRLF, a BOM and empty lines', async () => {
    const entries = await read(readNdjson, `\uFEFF${json('José')}\r\n\r\n${json('b')}`)
    expect(outline(entries)).toEqual([`1: ${json('José')}`, `3: ${json('b')}`])
  })

  it('reports a bad line in the middle by its number and goes on', async () => {
    const entries = await read(readNdjson, `${json('a')}\noops\n${json('b')}\n`)
    expect(entries.map((entry) => [entry.kind, entry.line])).toEqual([
      ['order', 1],
      ['bad', 2],
      ['order', 3],
    ])
    expect(outline(entries)[1]).toMatch(/^2: not JSON/)
  })

  it.each([
    ['[]', /not an order/],
    ['"x"', /not an order/],
    ['null', /not an order/],
    ['{"user_id":"u"}', /items, payment_method are missing/],
    ['{"user_id":"u","payment_method":"p","items":[]}', /at least one item/],
    ['{"user_id":"u","payment_method":"p","items":[{"product_id":"a","quantity":0}]}', /items\[0\]\.quantity/],
    ['{"user_id":"u","payment_method":"p","items":[{"product_id":"a","quantity":-1}]}', /items\[0\]\.quantity/],
    ['{"user_id":"u","payment_method":"p","items":[{"product_id":"a","quantity":1.5}]}', /items\[0\]\.quantity/],
    ['{"user_id":"u","payment_method":"p","items":[{"product_id":"a","quantity":"1"}]}', /items\[0\]\.quantity/],
    ['{"user_id":"u","payment_method":"p","items":[null]}', /items\[0\]\.product_id/],
    [Buffer.from([0x7b, 0xff, 0x7d]), /not UTF-8/],
  ])('says what is wrong with %s', async (line, wanted) => {
    expect(outline(await read(readNdjson, line))[0]).toMatch(wanted)
  })

  it('passes a line over that is too long to be an order, without keeping it', async () => {
    const entries = await read(readNdjson, `${json('a')}\n"${'x'.repeat(3_000_000)}"\n${json('b')}`, 65_536)
    expect(outline(entries)).toEqual([`1: ${json('a')}`, '2: longer than 1024 KiB', `3: ${json('b')}`])
  })

  it('counts bytes to the end of the input, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 9 }), async (text, size) => {
        const bytes = Buffer.from(text)
        const lines = await allOf(linesOf(chunksOf(bytes, size), 1024 * 1024))
        const expected = text.split('\n').length - (text === '' || text.endsWith('\n') ? 1 : 0)
        expect(lines.length).toBe(expected)
        if (lines.length > 0) expect(lines.at(-1)?.end).toBe(bytes.length)
      }),
    )
  })
})

describe('JSON', () => {
  it('gives the same orders however they are written and cut', async () => {
    const tricky = ['a"b', '[]{}', 'back\\slash', 'é, ü', '\n']
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...tricky)),
        fc.constantFrom(0, 2),
        fc.integer({ min: 1, max: 50 }),
        async (users, indent, size) => {
          const entries = await read(readJson, JSON.stringify(users.map(order), null, indent), size)
          expect(entries.map((entry) => entry.kind === 'order' && entry.order)).toEqual(users.map(order))
        },
      ),
    )
  })

  it('says on which line each order starts', async () => {
    const entries = await read(readJson, `[\n  ${json('a')},\n\n  ${json('b')}\n]\n`)
    expect(entries.map((entry) => entry.line)).toEqual([2, 4])
  })

  it('takes one order alone too', async () => {
    expect(outline(await read(readJson, JSON.stringify(order('a'), null, 2)))).toEqual([`1: ${json('a')}`])
  })

  it('reports a bad element in the middle and goes on', async () => {
    const entries = await read(readJson, `[${json('a')},\n{"user_id": oops},\n17,\n${json('b')}]`)
    expect(entries.map((entry) => [entry.kind, entry.line])).toEqual([
      ['order', 1],
      ['bad', 2],
      ['bad', 3],
      ['order', 4],
    ])
  })

  it('says that a list is cut off', async () => {
    expect(outline(await read(readJson, `[${json('a')},\n{"user_id":`)).slice(1)).toEqual([
      '2: an order starts here that has no end: a bracket or quote is missing',
      '2: the list is not closed with ]: the file may be cut off',
    ])
    expect(outline(await read(readJson, `[${json('a')}`)).slice(1)).toEqual(['1: the list is not closed with ]: the file may be cut off'])
  })
})

const HEAD = 'user_id,product_id,quantity,payment_method'
const row = 'u1,a1,2,credit_card'

describe('CSV', () => {
  it('makes an order of each row when there is no order column', async () => {
    const entries = await read(readCsv, `${HEAD}\n${row}\nu2,b2,1,paypal\n`)
    expect(outline(entries)).toEqual([
      '2: {"user_id":"u1","payment_method":"credit_card","items":[{"product_id":"a1","quantity":2}]}',
      '3: {"user_id":"u2","payment_method":"paypal","items":[{"product_id":"b2","quantity":1}]}',
    ])
  })

  it('makes one order of rows with the same reference, with all that an order can have', async () => {
    const head = `order,${HEAD},discount_basis_points,freight_minor,address.name,address.line1,address.city,address.country,metadata.shop`
    const text = `${head}\n7,u1,a1,2,credit_card,1500,250,Ana,"Gran Vía, 1",Madrid,ES,north\n7,u1,b2,1,credit_card,,,,,,,\n8,u1,b2,1,credit_card,,,,,,,\n`
    const [first, second] = await read(readCsv, text)
    expect(first).toMatchObject({
      reference: '7',
      order: {
        items: [
          { product_id: 'a1', quantity: 2, discount_basis_points: 1500 },
          { product_id: 'b2', quantity: 1 },
        ],
        freight_minor: 250,
        address: { name: 'Ana', line1: 'Gran Vía, 1', city: 'Madrid', country: 'ES' },
        metadata: { order: '7', shop: 'north' },
      },
    })
    expect(second).toMatchObject({ line: 4, reference: '8', order: { items: [{ product_id: 'b2', quantity: 1 }] } })
  })

  it('understands a BOM, CRLF, quotes, quotes in quotes, line ends in quotes, and semicolons', async () => {
    const wanted = ['u"1', 'u\n2', 'u,3']
    const text = (mark: string) =>
      `\uFEFF"${HEAD.replaceAll(',', `"${mark}"`)}"\r\n${wanted.map((user) => `"${user.replaceAll('"', '""')}"${mark}a1${mark}2${mark}paypal`).join('\r\n')}\r\n`
    for (const mark of [',', ';', '\t']) {
      const entries = await read(readCsv, text(mark))
      expect(entries.map((entry) => entry.kind === 'order' && entry.order.user_id)).toEqual(wanted)
      expect(entries.map((entry) => entry.line)).toEqual([2, 3, 5])
    }
  })

  it.each([
    ['', /is empty: it needs a header/],
    ['user_id,quantity\nu1,1\n', /lacks product_id, payment_method/],
    [`${HEAD},discount\n`, /unknown "discount"/],
    [`${HEAD},user_id\n`, /has user_id twice/],
    [Buffer.from([0xff, 0xfe, 0x75, 0x00]), /not UTF-8/],
  ])('refuses the file when its header is wrong: %j', async (text, wanted) => {
    await expect(read(readCsv, text)).rejects.toThrow(wanted)
  })

  it.each([
    ['u1,a1,two,paypal', 'quantity is "two", but must be a whole number'],
    ['u1,a1,1.5,paypal', 'quantity is "1.5", but must be a whole number'],
    ['u1,a1', '2 cells, but the header has 4'],
    ['u1,a1,2,paypal,more', '5 cells, but the header has 4'],
    [',a1,2,paypal', 'user_id is empty'],
    ['u1,a1,,paypal', 'quantity is empty'],
    ['u"1,a1,2,"paypal', 'its quotes are wrong: a cell with quotes must be quoted as a whole, and quotes inside doubled'],
    ['"u1,a1,2,paypal', 'a quote is opened and never closed'],
  ])('reports the bad line %j by its number and goes on', async (bad, problem) => {
    const entries = await read(readCsv, `${HEAD}\n${row}\n${bad}\n${`${row}\n`.repeat(30)}`)
    expect(outline(entries.filter((entry) => entry.kind === 'bad'))).toEqual([`3: ${problem}`])
    expect(entries.filter((entry) => entry.kind === 'order').map((entry) => entry.line)).toEqual([
      2,
      ...Array.from({ length: 30 }, (_, i) => i + 4),
    ])
  })

  it('finds a quote that is never closed on the last lines too', async () => {
    const entries = await read(readCsv, `${HEAD}\n${row}\n"u1,a1,2,paypal\n${row}\n${row}`)
    expect(entries.map((entry) => [entry.kind, entry.line])).toEqual([
      ['order', 2],
      ['bad', 3],
      ['order', 4],
      ['order', 5],
    ])
  })

  it('sends no half order: a bad row spoils the order it belongs to, and only that', async () => {
    const entries = await read(readCsv, `order,${HEAD}\n1,u1,a1,2,paypal\n1,u1,b2,x,paypal\n1,u1,c3,1,paypal\n2,u1,a1,1,paypal\n`)
    expect(entries.map((entry) => [entry.kind, entry.line])).toEqual([
      ['bad', 3],
      ['order', 5],
    ])
  })

  it('refuses rows of one order that contradict each other, or come back later', async () => {
    const entries = await read(readCsv, `order,${HEAD}\n1,u1,a1,2,paypal\n1,u2,b2,1,paypal\n2,u1,a1,1,paypal\n1,u1,c3,1,paypal\n`)
    expect(outline(entries.filter((entry) => entry.kind === 'bad'))).toEqual([
      '3: user_id is "u2", but "u1" on line 2 of the same order "1"',
      '5: order "1" came before: the rows of one order must follow one another',
    ])
  })
})

describe('the format', () => {
  it.each([
    ['orders.csv', 'user_id,…', 'csv'],
    ['orders.json', ' [', 'json'],
    ['orders.json', '{\n', 'json'],
    ['orders.ndjson', 'oops', 'ndjson'],
    ['-', '\uFEFF\n[{', 'json'],
    ['-', '{"user_id"', 'ndjson'],
    ['-', '"user_id",', 'csv'],
    ['orders.txt', '{}', 'ndjson'],
  ])('of %s that starts with %j is %s', (file, head, wanted) => {
    expect(formatOf(file, head)).toBe(wanted)
  })
})
