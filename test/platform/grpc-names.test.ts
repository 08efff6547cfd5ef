import dns from 'node:dns'
import { Status } from 'nice-grpc'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { until } from '../support/until.ts'
import { client, instance, open, whoAnswers } from './inventories.ts'

/** A name with several addresses, as a cloud's or a cluster's DNS gives it to the instances of a service. */
const NAME = 'inventory.internal'
const addresses: string[] = []
beforeEach(() => {
  vi.spyOn(dns.promises, 'lookup').mockImplementation((async (name: string) => {
    if (name !== NAME || addresses.length === 0) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' })
    return addresses.map((address) => ({ address, family: 4 }))
  }) as never)
})
afterEach(() => vi.restoreAllMocks())

/** One at 127.0.0.1, the other at the same port of 127.0.0.2; `before` an answer the first may hang. */
async function two(before: () => Promise<void> | undefined | void = () => {}) {
  const one = await instance('one', before)
  const port = one.server.port
  const other = await instance('two', undefined, `127.0.0.2:${port}`)
  addresses.splice(0, 2, '127.0.0.1', '127.0.0.2')
  return { one, other, port, name: `${NAME}:${port}` }
}

describe('a name with several addresses', () => {
  it('sends the calls round to all of them', async () => {
    const { one, other, name } = await two()
    const inventory = client(name)
    await until('both to have answered', async () => (await whoAnswers(inventory)) && one.calls > 0 && other.calls > 0)
  })

  it('has every call answered while one of them is gone, and is asked again: what came instead is found', async () => {
    const { one, other, port, name } = await two()
    const inventory = client(name)
    await until('both to have answered', async () => (await whoAnswers(inventory)) && one.calls > 0 && other.calls > 0)
    const third = await instance('three', undefined, `127.0.0.3:${port}`)
    addresses.splice(0, 1, '127.0.0.3')
    await one.server.stop()
    for (let i = 0; i < 20; i++) expect(await whoAnswers(inventory)).not.toBe('one')
    await until('the new one to be found', async () => (await whoAnswers(inventory)) && third.calls > 0, 60)
  }, 90_000)

  it('leaves out one that takes calls and never answers', async () => {
    let answer: Promise<void> | undefined
    const { one, other, name } = await two(() => answer)
    const inventory = client(name)
    await until('both to have answered', async () => (await whoAnswers(inventory)) && one.calls > 0 && other.calls > 0)
    const goOn = Promise.withResolvers<void>()
    open.push({ stop: async () => goOn.resolve() })
    answer = goOn.promise
    const call = () =>
      inventory.getProducts({}, { deadline: 300 } as never).then(
        () => true,
        () => false,
      )
    await until('calls to go round it', async () => {
      for (let i = 0; i < 10; i++) if (!(await call())) return false
      return true
    })
  })
})

it('a name with one address never leaves that one out, however long it hangs', async () => {
  let answer: Promise<void> | undefined
  const one = await instance('one', () => answer)
  addresses.splice(0, 2, '127.0.0.1')
  const inventory = client(`${NAME}:${one.server.port}`)
  expect(await whoAnswers(inventory)).toBe('one')
  const goOn = Promise.withResolvers<void>()
  answer = goOn.promise
  const codes = new Set<unknown>()
  const began = performance.now()
  // Longer than two of the looks at who fails.
  while (performance.now() - began < 2_500) {
    const failure = await inventory.getProducts({}, { deadline: 100 } as never).catch((error: { code: unknown }) => error)
    codes.add((failure as { code: unknown }).code)
  }
  expect([...codes]).toEqual([Status.DEADLINE_EXCEEDED])
  goOn.resolve()
  answer = undefined
  await until('it to answer', () => whoAnswers(inventory).catch(() => undefined))
})

it('a name that nobody knows is a service that is down, and is found when it is known', async () => {
  const one = await instance('one')
  addresses.splice(0, 2)
  const inventory = client(`${NAME}:${one.server.port}`)
  await expect(whoAnswers(inventory)).rejects.toMatchObject({ code: Status.UNAVAILABLE })
  addresses.push('127.0.0.1')
  await until('it to be found', () => whoAnswers(inventory).catch(() => undefined), 60)
}, 90_000)
