import type { CompatServiceDefinition, ServiceImplementation } from 'nice-grpc'
import type { GrpcClient, GrpcServer } from './grpc.ts'
import type { Log } from './log.ts'

/** How calls between services are carried: gRPC over TCP, unless the address names another way. */
export type Transport = {
  serve<S extends CompatServiceDefinition>(
    definition: S,
    implementation: ServiceImplementation<S>,
    options: { address: string; log: Log },
  ): Promise<GrpcServer>
  connect<S extends CompatServiceDefinition>(definition: S, address: string, timeoutMs: number): GrpcClient<S>
}

/** Other transports by the host of their addresses: the simulation carries calls itself, within one process. */
export const transports = new Map<string, Transport>()

export const transportOf = (address: string): Transport | undefined => transports.get(address.slice(0, address.indexOf(':')))
