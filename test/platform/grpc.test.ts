import { constants, createServer as createHttp2Server } from 'node:http2'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { ChannelCredentials, type ClientDuplexStream, makeGenericClientConstructor } from '@grpc/grpc-js'
import { ServerError, Status } from 'nice-grpc'
import { ServerReflectionService } from 'nice-grpc-server-reflection'
import { afterEach, describe, expect, it } from 'vitest'
import { InventoryServiceDefinition, Product } from '../../src/gen/comanda/v1/inventory.ts'
import { connectGrpc, type GrpcClient, type GrpcServer, isUnavailable, serveGrpc } from '../../src/platform/grpc.ts'
import { openLog } from '../../src/platform/log.ts'
import { temporaryFolder } from '../support/folder.ts'
import { until } from '../support/until.ts'

type Instance = { address: string; calls: number; server: GrpcServer }
const open: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop()
})

const log = await openLog({ service: 'inventory', dir: temporaryFolder('grpc'), level: 'silent', terminal: 'off' })

type Methods = Partial<Record<keyof typeof InventoryServiceDefinition.methods, () => Promise<unknown>>>

/** An inventory with just these methods. */
async function serve(methods: Methods, address = '127.0.0.1:0', more: { reflection?: 'on' | 'off' } = {}): Promise<GrpcServer> {
  const none = async () => {
    throw new ServerError(Status.UNIMPLEMENTED, 'not in this test')
  }
  const rest = Object.fromEntries(Object.keys(InventoryServiceDefinition.methods).map((name) => [name, none]))
  const server = await serveGrpc(InventoryServiceDefinition, { ...rest, ...methods } as never, { address, log, ...more })
  open.push(server)
  return server
}

/** An inventory that says its name; `before` each answer it may fail. */
async function instance(name: string, before: () => Promise<void> | undefined | void = () => {}): Promise<Instance> {
  const answer = async () => {
    found.calls++
    await before()
    return [Product.fromPartial({ id: name })]
  }
  const server = await serve({
    getProducts: async () => ({ products: await answer() }),
    adjustStock: async () => ({ outcomes: [{ outcome: { $case: 'done', value: (await answer())[0] } }] }),
  })
  const found: Instance = { address: `127.0.0.1:${server.port}`, calls: 0, server }
  return found
}

function client(...addresses: string[]): GrpcClient<InventoryServiceDefinition> {
  const made = connectGrpc(InventoryServiceDefinition, addresses.join(','), 5_000)
  open.push({ stop: async () => made.close() })
  return made
}

/** A wire to a server, which can be cut like that of a machine which dies. */
async function wire(port: number): Promise<{ address: string; cut(): void }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    near.pipe(far).pipe(near)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  open.push({ stop: async () => cut() })
  return { address: `127.0.0.1:${(server.address() as { port: number }).port}`, cut }
}

const whoAnswers = async (inventory: GrpcClient<InventoryServiceDefinition>) => (await inventory.getProducts({})).products[0]?.id

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
