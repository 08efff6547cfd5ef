import { expect, it } from 'vitest'
import { gatewayWith } from './fakes.ts'

/** A pattern whose time grows faster than the text would let one request hold the gateway: this test would not come to its end. */

const CHARACTERS = 50_000
const TAILS = ['', '!', '\u0000', ' ', '-', '.', ':', 'é']

it('every pattern that looks at what comes in is done with long, nearly fitting texts at once', async () => {
  const app = await gatewayWith({})
  const document = (await app.inject('/openapi.json')).body
  await app.close()
  const patterns = new Set([...document.matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g)].map(([, text = '']) => JSON.parse(text) as string))
  expect(patterns.size).toBeGreaterThan(10)
  for (const pattern of patterns) {
    const form = new RegExp(pattern, 'u')
    for (const unit of ['a', '0', '-', ' ', 'a.', '0-', '0:', '199', 'ab '])
      for (const tail of TAILS) expect(form.test(unit.repeat(CHARACTERS) + tail), pattern).toBe(false)
  }
})
