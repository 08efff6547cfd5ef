import { constants, createServer as createHttp2Server } from 'node:http2'
import { ChannelCredentials, type ClientDuplexStream, makeGenericClientConstructor } from '@grpc/grpc-js'
import { ServerError, Status } from 'nice-grpc'
import { ServerReflectionService } from 'nice-grpc-server-reflection'
import { describe, expect, it } from 'vitest'
import { InventoryServiceDefinition, Product } from '../../src/gen/comanda/v1/inventory.ts'
import { asServerError, connectGrpc, isTooOld, isUnavailable } from '../../src/platform/grpc.ts'
import { silentLog } from '../../src/platform/log.ts'
import { until } from '../support/until.ts'
import { client, instance, open, serve, whoAnswers, wire } from './inventories.ts'

describe('a client of several instances', () => {
  it('sends its calls round to all', async () => {
    const [one, two] = [await instance('one'), await instance('two')]
    const inventory = client(one.address, two.address)
    await until('both to have answered', async () => (await whoAnswers(inventory)) && one.calls > 0 && two.calls > 0)
  })

  it('gets every call answered while one of them is dead', async () => {
    const [one, two] = [await instance('one'), await instance('two')]
    const gone = await wire(one.server.port)
    const inventory = client(gone.address, two.address)
    await until('both to have answered', async () => (await whoAnswers(inventory)) && one.calls > 0 && two.calls > 0)
    gone.cut()
    for (let i = 0; i < 20; i++) expect(await whoAnswers(inventory)).toBe('two')
  })

  it('tries a call on another when the one it was sent to dies under it', async () => {
    let die = () => {}
    const [one, two] = [await instance('one', () => die()), await instance('two')]
    const gone = await wire(one.server.port)
    const inventory = client(gone.address, two.address)
    await until('both to have answered', async () => (await whoAnswers(inventory)) && one.calls > 0 && two.calls > 0)
    const before = one.calls
    die = gone.cut
    const answers = [await whoAnswers(inventory), await whoAnswers(inventory)]
    expect(one.calls).toBe(before + 1)
    expect(answers).toEqual(['two', 'two'])
  })

  it('tries a call on another when one says that its database is down', async () => {
    let check = () => {}
    const [one, two] = [await instance('one', () => check()), await instance('two')]
    const inventory = client(one.address, two.address)
    await until('both to have answered', async () => (await whoAnswers(inventory)) && one.calls > 0 && two.calls > 0)
    const before = one.calls
    check = () => {
      throw new ServerError(Status.UNAVAILABLE, 'the database is unavailable')
    }
    for (let i = 0; i < 6; i++) expect(await whoAnswers(inventory)).toBe('two')
    expect(one.calls).toBeGreaterThan(before)
  })

  it('sends no more calls to one that takes them and never answers', async () => {
    let answer: Promise<void> | undefined
    const [one, two] = [await instance('one', () => answer), await instance('two')]
    const inventory = client(one.address, two.address)
    await until('both to have answered', async () => (await whoAnswers(inventory)) && one.calls > 0 && two.calls > 0)
    const goOn = Promise.withResolvers<void>()
    answer = goOn.promise
    // Until it was noticed some calls wait for their deadline.
    const call = () =>
      inventory
        .getProducts({}, { deadline: 200 } as never)
        .then(() => true)
        .catch(() => false)
    const tenInARow = async () => {
      for (let i = 0; i < 10; i++) if (!(await call())) return false
      return true
    }
    await until('calls to go round it', tenInARow)
    goOn.resolve()
    answer = undefined
    const before = one.calls
    await until('it to be asked again', async () => (await call()) && one.calls > before)
  })

  it('never repeats a count of stock, which would be told that the stock has changed', async () => {
    const down = () => {
      throw new ServerError(Status.UNAVAILABLE, 'the answer was lost')
    }
    const [one, two] = [await instance('one', down), await instance('two', down)]
    const inventory = client(one.address, two.address)
    await expect(inventory.adjustStock({})).rejects.toMatchObject({ code: Status.UNAVAILABLE })
    expect(one.calls + two.calls).toBe(1)
  })
})

it('a client of one instance finds it again when it is back', async () => {
  const first = await instance('first')
  const inventory = client(first.address)
  expect(await whoAnswers(inventory)).toBe('first')
  await first.server.stop()
  await expect(whoAnswers(inventory)).rejects.toMatchObject({ code: Status.UNAVAILABLE })
  await serve({ getProducts: async () => ({ products: [Product.fromPartial({ id: 'again' })] }) }, first.address)
  await until('it to be found', () => whoAnswers(inventory).catch(() => undefined))
})

it('a connection that breaks in the middle of an answer says nothing about what was decided', async () => {
  const server = createHttp2Server()
  server.on('stream', (stream) => stream.on('error', () => {}).close(constants.NGHTTP2_PROTOCOL_ERROR))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push({ stop: async () => void server.close() })
  const call = whoAnswers(client(`127.0.0.1:${(server.address() as { port: number }).port}`))
  const error = await call.catch((error: unknown) => error)
  expect(error).toMatchObject({ code: Status.INTERNAL })
  expect(isUnavailable(error)).toBe(true)
})

it('what a service itself calls an internal error is none of the connection', async () => {
  const one = await instance('one', () => {
    throw new Error('a bug')
  })
  const error = await whoAnswers(client(one.address)).catch((error: unknown) => error)
  expect(error).toMatchObject({ code: Status.INTERNAL })
  expect(isUnavailable(error)).toBe(false)
})

it('a message above 16 MiB is refused before anything is done, and the next call goes through', async () => {
  const one = await instance('one')
  const inventory = connectGrpc(InventoryServiceDefinition, one.address, 25_000)
  open.push({ stop: async () => inventory.close() })
  const productIds = Array.from({ length: 17 }, () => 'x'.repeat(1024 * 1024))
  await expect(inventory.getProducts({ productIds })).rejects.toMatchObject({ code: Status.RESOURCE_EXHAUSTED })
  expect(one.calls).toBe(0)
  expect(await whoAnswers(inventory)).toBe('one')
})

it('a service tells what can be called only when it is told to', async () => {
  const Reflection = makeGenericClientConstructor(ServerReflectionService as never, 'ServerReflection')
  const answer = async (reflection: 'on' | 'off' | undefined) => {
    const server = await serve({}, undefined, reflection && { reflection })
    const client = new Reflection(`127.0.0.1:${server.port}`, ChannelCredentials.createInsecure())
    open.push({ stop: async () => client.close() })
    const call = (client as unknown as { serverReflectionInfo(): ClientDuplexStream<unknown, unknown> }).serverReflectionInfo()
    call.on('error', () => {}).end()
    const { code } = await new Promise<{ code: Status }>((resolve) => call.on('status', resolve).resume())
    return code
  }
  expect(await answer('on')).toBe(Status.OK)
  expect(await answer('off')).toBe(Status.UNIMPLEMENTED)
  expect(await answer(undefined)).toBe(Status.UNIMPLEMENTED)
})

describe('a service of an older version', () => {
  it('that does not know a call leaves it to an instance that does', async () => {
    const old = await serve({})
    const knows = await instance('new')
    const inventory = client(`127.0.0.1:${old.port}`, knows.address)
    // Until there is a connection to it, another try can only meet the old one once more.
    await until('the new one to answer', () => whoAnswers(inventory).catch(() => undefined))
    for (let i = 0; i < 6; i++) expect(await whoAnswers(inventory)).toBe('new')
  })

  it('is, to who calls who calls it, a service that is away', async () => {
    const old = await serve({})
    const error = await client(`127.0.0.1:${old.port}`)
      .getProducts({})
      .catch((cause: unknown) => cause)
    expect(isTooOld(error)).toBe(true)
    expect(asServerError(error, { rpc: '/erase', log: silentLog() })).toMatchObject({ code: Status.UNAVAILABLE })
    expect(asServerError(new Error('a bug'), { rpc: '/erase', log: silentLog() })).toMatchObject({ code: Status.INTERNAL })
  })
})
