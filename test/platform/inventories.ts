import { connect, createServer, type Server, type Socket } from 'node:net'
import { ServerError, Status } from 'nice-grpc'
import { afterEach } from 'vitest'
import { InventoryServiceDefinition, Product } from '../../src/gen/comanda/v1/inventory.ts'
import { connectGrpc, type GrpcClient, type GrpcServer, serveGrpc } from '../../src/platform/grpc.ts'
import { openLog } from '../../src/platform/log.ts'
import { temporaryFolder } from '../support/folder.ts'

/** Several instances of one service, here of an inventory, and clients of them; all are stopped after each test. */

type Instance = { address: string; calls: number; server: GrpcServer }
export const open: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop()
})

const log = await openLog({ service: 'inventory', dir: temporaryFolder('grpc'), level: 'silent', terminal: 'off' })

type Methods = Partial<Record<keyof typeof InventoryServiceDefinition.methods, () => Promise<unknown>>>

/** An inventory with just these methods. */
export async function serve(methods: Methods, address = '127.0.0.1:0', more: { reflection?: 'on' | 'off' } = {}): Promise<GrpcServer> {
  const none = async () => {
    throw new ServerError(Status.UNIMPLEMENTED, 'not in this test')
  }
  const rest = Object.fromEntries(Object.keys(InventoryServiceDefinition.methods).map((name) => [name, none]))
  const server = await serveGrpc(InventoryServiceDefinition, { ...rest, ...methods } as never, { address, log, ...more })
  open.push(server)
  return server
}

/** An inventory that says its name; `before` each answer it may fail. */
export async function instance(
  name: string,
  before: () => Promise<void> | undefined | void = () => {},
  at = '127.0.0.1:0',
): Promise<Instance> {
  const answer = async () => {
    found.calls++
    await before()
    return [Product.fromPartial({ id: name })]
  }
  const server = await serve(
    {
      getProducts: async () => ({ products: await answer() }),
      adjustStock: async () => ({ outcomes: [{ outcome: { $case: 'done', value: (await answer())[0] } }] }),
    },
    at,
  )
  const found: Instance = { address: `${at.slice(0, at.lastIndexOf(':'))}:${server.port}`, calls: 0, server }
  return found
}

export function client(...addresses: string[]): GrpcClient<InventoryServiceDefinition> {
  const made = connectGrpc(InventoryServiceDefinition, addresses.join(','), 5_000)
  open.push({ stop: async () => made.close() })
  return made
}

/** A wire to a server, which can be cut like that of a machine which dies. */
export async function wire(port: number): Promise<{ address: string; cut(): void }> {
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

export const whoAnswers = async (inventory: GrpcClient<InventoryServiceDefinition>) => (await inventory.getProducts({})).products[0]?.id
