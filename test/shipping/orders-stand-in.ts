import { ServerError, Status } from 'nice-grpc'
import { OrdersServiceDefinition, type OrdersServiceImplementation, type ShipmentFact } from '../../src/gen/comanda/v1/orders.ts'
import { type GrpcServer, serveGrpc } from '../../src/platform/grpc.ts'
import { silentLog } from '../../src/platform/log.ts'
import { type Answer, done, toWire } from '../../src/platform/outcome.ts'

/** Stands in for orders, over real gRPC: writes down what it is told, and can be away, come back, or not know an order yet. */
export class OrdersStandIn {
  readonly heard: string[] = []
  calls = 0
  /** What it answers to a fact; throws to fail the whole call. */
  answer: (fact: ShipmentFact) => Answer<null> = () => done(null)
  port = 0
  #server: GrpcServer | undefined

  async open(): Promise<this> {
    const never = () => {
      throw new ServerError(Status.UNIMPLEMENTED, 'only RecordShipments stands here')
    }
    const service = {
      ...Object.fromEntries(Object.keys(OrdersServiceDefinition.methods).map((name) => [name, never])),
      recordShipments: async ({ facts }: { facts: ShipmentFact[] }) => {
        this.calls++
        const outcomes = facts.map((fact) => toWire(this.answer(fact), () => ({})))
        this.heard.push(...facts.map((fact) => `${fact.shipmentId} ${fact.status}`))
        return { outcomes }
      },
    } as unknown as OrdersServiceImplementation
    this.#server = await serveGrpc(OrdersServiceDefinition, service, { address: `127.0.0.1:${this.port}`, log: silentLog() })
    this.port = this.#server.port
    return this
  }

  async close(): Promise<void> {
    await this.#server?.stop()
    this.#server = undefined
  }

  timesHeard = (fact: string): number => this.heard.filter((heard) => heard === fact).length
}
