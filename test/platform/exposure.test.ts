import { expect, it } from 'vitest'
import { isLoopback, refuseToBeOpen } from '../../src/platform/exposure.ts'

it.each(['127.0.0.1', '127.0.1.1', 'localhost', '::1', '[::1]'])('%s can be reached from this machine only: open needs no key', (host) => {
  expect(isLoopback(host)).toBe(true)
  expect(() => refuseToBeOpen({ host, access: 'open' })).not.toThrow()
})

it.each(['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.com', 'localhost.example.com', 'x127.0.0.1', '1127.0.0.1', '', '*', 'gateway'])(
  '"%s" may be reached by others: open is refused, with what to do',
  (host) => {
    expect(() => refuseToBeOpen({ host, access: 'open' })).toThrow(/ACCESS=keys.*comanda keys create/)
    expect(() => refuseToBeOpen({ host, access: 'keys' })).not.toThrow()
  },
)
