import { fork } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createChannel, createClientFactory, Status } from 'nice-grpc'
import { deadlineMiddleware } from 'nice-grpc-client-middleware-deadline'
import { HealthDefinition } from 'nice-grpc-server-health'
import { afterEach, describe, expect, it } from 'vitest'
import { FaultControlServiceDefinition, SetFaultCommand } from '../../src/gen/comanda/v1/faults.ts'
import { OrdersServiceDefinition, type PlaceOrdersResponse } from '../../src/gen/comanda/v1/orders.ts'
import { PaymentServiceDefinition } from '../../src/gen/comanda/v1/payment.ts'
import { connectGrpc, serveGrpc } from '../../src/platform/grpc.ts'
import { silentLog } from '../../src/platform/log.ts'
import { temporaryFolder } from '../support/folder.ts'
import { until } from '../support/until.ts'
import { noting } from './payment-stand-in.ts'

/** Each kind of fault over real gRPC; those that kill, on a process of its own. */

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const command = (more: Partial<SetFaultCommand>): SetFaultCommand =>
  SetFaultCommand.fromPartial({ faultId: 'f1', kind: 'unavailable', rate: 1, forMs: 60_000, ...more })
/** A client that tries nothing twice, so that each call is one. */
function onceOf<S extends PaymentServiceDefinition | OrdersServiceDefinition>(definition: S, port: number) {
  const channel = createChannel(`127.0.0.1:${port}`)
  closing.push(() => channel.close())
  return createClientFactory()
    .use(deadlineMiddleware)
    .create(definition, channel, { '*': { deadline: 10_000 } } as never)
}
const keys = { orderId: 'o1', requestId: 'r1' }

function clientsOf(port: number) {
  const address = `127.0.0.1:${port}`
  const clients = {
    control: connectGrpc(FaultControlServiceDefinition, address, 10_000),
    health: connectGrpc(HealthDefinition, address, 10_000),
  }
  closing.push(() => Object.values(clients).forEach((client) => void client.close()))
  const set = async (more: Partial<SetFaultCommand>) =>
    (await clients.control.setFaults({ commands: [command(more)] })).outcomes[0]?.outcome
  /** How voiding ends: 'OK', or the status it fails with. */
  const payment = onceOf(PaymentServiceDefinition, port)
  const void_ = () =>
    payment.voidPayments({ commands: [keys] }).then(
      () => 'OK',
      (error: { code: Status }) => Status[error.code],
    )
  return { ...clients, payment, set, void: void_, isServing: async () => (await clients.health.check({ service: '' })).status === 1 }
}

async function payment(faults: 'on' | 'off' = 'on') {
  const worked: string[] = []
  const service = noting((orderId) => worked.push(orderId))
  const server = await serveGrpc(PaymentServiceDefinition, service, { address: '127.0.0.1:0', log: silentLog(), faults })
  closing.push(() => server.stop())
  return { worked, ...clientsOf(server.port) }
}

describe('a call to a service', () => {
  it('that is unavailable fails so, without having done anything', async () => {
    const service = await payment()
    expect(await service.set({})).toMatchObject({ $case: 'done', value: { faultId: 'f1', kind: 'unavailable', struck: 0 } })
    expect([await service.void(), service.worked]).toEqual(['UNAVAILABLE', []])
    expect((await service.control.listFaults({})).faults).toMatchObject([{ struck: 1 }])
  })

  it('with an error fails as internal, without having done anything', async () => {
    const service = await payment()
    await service.set({ kind: 'error', method: 'VoidPayments' })
    expect([await service.void(), service.worked]).toEqual(['INTERNAL', []])
    await service.payment.getPayments({ orderIds: [] })
  })

  it('whose reply is lost has done its work and fails', async () => {
    const service = await payment()
    await service.set({ kind: 'lose-reply', count: 1 })
    expect([await service.void(), service.worked]).toEqual(['UNAVAILABLE', ['o1']])
    expect(await service.void()).toBe('OK')
  })

  it('that is slow does its work after its caller gave up', { timeout: 60_000 }, async () => {
    const service = await payment()
    await service.set({ kind: 'latency', latencyMs: 10_000 })
    const giveUp = new AbortController()
    const impatient = service.payment.voidPayments({ commands: [keys] }, { signal: giveUp.signal }).catch((error: Error) => error.name)
    await until('the call to be held', async () => (await service.control.listFaults({})).faults[0]?.struck === 1)
    giveUp.abort()
    expect([await impatient, service.worked]).toEqual(['AbortError', []])
    await until('the late work', () => service.worked.length === 1)
  })

  it('goes through again once the faults are cleared', async () => {
    const service = await payment()
    await service.set({})
    await service.set({ faultId: 'f2', kind: 'error' })
    expect(await service.control.clearFaults({})).toEqual({ cleared: 2 })
    expect([await service.void(), await service.isServing()]).toEqual(['OK', true])
  })

  it('goes through again once the fault is over', async () => {
    const service = await payment()
    await service.set({ forMs: 100 })
    await until('the end of the fault', async () => (await service.void()) === 'OK')
    await until('health', service.isServing)
  })
})

describe('the health check', () => {
  it('tells that a fault has taken the service down, and that it is back, to who asks and to who watches', async () => {
    const service = await payment()
    const heard: number[] = []
    const enough = new AbortController()
    const watching = (async () => {
      for await (const { status } of service.health.watch({ service: '' }, { deadline: 30_000, signal: enough.signal } as never))
        heard.push(status)
    })()
    await until('the first news', () => heard.length === 1)
    await service.set({})
    expect(await service.isServing()).toBe(false)
    // The same fault, with hardly any time left.
    await service.set({ forMs: 1 })
    await until('all the news', () => heard.length === 3)
    expect(heard).toEqual([1, 2, 1])
    enough.abort()
    await expect(watching).rejects.toThrow()
  })

  it('is spared by faults, and so is FaultControl', async () => {
    const service = await payment()
    await service.set({ kind: 'error' })
    expect([await service.isServing(), (await service.control.listFaults({})).faults.length]).toEqual([true, 1])
  })
})

describe('FaultControl', () => {
  it('is not there when faults are off', async () => {
    const service = await payment('off')
    await expect(service.set({})).rejects.toMatchObject({ code: Status.UNIMPLEMENTED })
    expect([await service.void(), await service.isServing()]).toEqual(['OK', true])
  })

  it('refuses what can not be, item by item', async () => {
    const service = await payment()
    const commands = [command({ method: 'PlaceOrders' }), command({ faultId: 'f2' }), command({ faultId: 'f3', rate: 2 })]
    const { outcomes } = await service.control.setFaults({ commands })
    expect(outcomes.map(({ outcome }) => outcome?.$case)).toEqual(['refused', 'done', 'refused'])
    expect(outcomes[0]?.outcome?.value).toMatchObject({ code: 'invalid_request', message: expect.stringContaining('AuthorizePayments') })
  })

  it('holds no more than it can, and takes a repeat for what it is', async () => {
    const service = await payment()
    const commands = Array.from({ length: 101 }, (_, i) => command({ faultId: `f${i}`, count: 1 }))
    const { outcomes } = await service.control.setFaults({ commands })
    expect(outcomes.filter(({ outcome }) => outcome?.$case === 'done').length).toBe(100)
    expect(outcomes.at(-1)?.outcome).toMatchObject({ $case: 'refused', value: { code: 'too_many_faults' } })
    expect(await service.set({ faultId: 'f0', kind: 'error' })).toMatchObject({ $case: 'done' })
    expect((await service.control.listFaults({})).faults.length).toBe(100)
  })
})

describe('a call that is answered by a stream', () => {
  async function orders() {
    let accepted = 0
    const unasked = Object.fromEntries(Object.keys(OrdersServiceDefinition.methods).map((name) => [name, async () => ({})]))
    const service = {
      ...unasked,
      async *placeOrders(): AsyncGenerator<PlaceOrdersResponse> {
        accepted++
        yield { outcomes: [{ index: 0, ended: false, outcome: undefined }] }
        yield { outcomes: [{ index: 0, ended: true, outcome: undefined }] }
      },
    }
    const server = await serveGrpc(OrdersServiceDefinition, service as never, { address: '127.0.0.1:0', log: silentLog(), faults: 'on' })
    const client = onceOf(OrdersServiceDefinition, server.port)
    closing.push(() => server.stop())
    /** How many messages came, and how it ended. */
    const place = async () => {
      let messages = 0
      try {
        for await (const _message of client.placeOrders({ commands: [] })) messages++
        return [messages, 'OK']
      } catch (error) {
        return [messages, Status[(error as { code: Status }).code]]
      }
    }
    return { place, accepted: () => accepted, ...clientsOf(server.port) }
  }

  it('fails before its first message when the service is unavailable', async () => {
    const service = await orders()
    expect(await service.place()).toEqual([2, 'OK'])
    await service.set({ method: 'PlaceOrders' })
    expect([await service.place(), service.accepted()]).toEqual([[0, 'UNAVAILABLE'], 1])
  })

  it('has taken the orders when its reply is lost, and nobody is told', async () => {
    const service = await orders()
    await service.set({ kind: 'lose-reply', method: 'PlaceOrders' })
    expect([await service.place(), service.accepted()]).toEqual([[0, 'UNAVAILABLE'], 1])
  })

  it('is held by latency, and comes whole', async () => {
    const service = await orders()
    await service.set({ kind: 'latency', latencyMs: 1 })
    expect([await service.place(), service.accepted()]).toEqual([[2, 'OK'], 1])
  })
})

describe('a process', { timeout: 120_000 }, () => {
  async function inAProcess() {
    const dir = temporaryFolder('faults')
    const file = join(dir, 'worked')
    const child = fork(join(import.meta.dirname, 'payment-stand-in.ts'), [file], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
    let said = ''
    child.stderr?.on('data', (chunk) => {
      said += chunk
    })
    closing.push(() => child.kill('SIGKILL'))
    closing.push(() => rmSync(dir, { recursive: true }))
    const ended = new Promise<string | null>((resolve) => child.once('exit', (_code, signal) => resolve(signal)))
    const { port } = await new Promise<{ port: number }>((resolve) => child.once('message', resolve as never))
    const worked = () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [])
    return { ended, worked, said: () => said, ...clientsOf(port) }
  }

  it('that crashes before has done nothing', async () => {
    const service = await inAProcess()
    await service.set({ kind: 'crash-before', method: 'VoidPayments' })
    await service.payment.getPayments({ orderIds: [] })
    expect([await service.void(), await service.ended, service.worked()]).toEqual(['UNAVAILABLE', 'SIGKILL', []])
    expect(service.said()).toContain('fault on purpose: crash-before at VoidPayments')
  })

  it('that crashes after has done its work, and answers nobody', async () => {
    const service = await inAProcess()
    await service.set({ kind: 'crash-after' })
    expect([await service.void(), await service.ended, service.worked()]).toEqual(['UNAVAILABLE', 'SIGKILL', ['o1']])
  })
})
