import { ClientError, Status } from 'nice-grpc'
import { type Fault, FaultControlServiceDefinition, type SetFaultCommand } from '../gen/comanda/v1/faults.ts'
import { type Config, OWNERS, type OwnerName } from '../platform/config.ts'
import { connectGrpc, isUnavailable } from '../platform/grpc.ts'
import { type Answer, fromWire } from '../platform/outcome.ts'
import { Problem } from './errors.ts'

/** Faults on purpose of all services, in one place. The services hold them; this asks each. */
export type FaultDesk = ReturnType<typeof connectFaultControl>

export type ServiceFault = Fault & { service: OwnerName }
/** What those services said that could be asked; a service that just crashes on purpose can't. */
export type Asked<T> = { found: T[]; unreachable: OwnerName[] }

const FAULTS_MS = 2_000

export function connectFaultControl({ addresses }: Pick<Config['grpc'], 'addresses'>) {
  const controls = new Map(OWNERS.map((owner) => [owner, connectGrpc(FaultControlServiceDefinition, addresses[owner], FAULTS_MS)]))
  const ask = <T>(service: OwnerName, call: (control: ReturnType<typeof controlOf>) => Promise<T>): Promise<T> =>
    call(controlOf(service)).catch((error: unknown) => {
      // It was started by itself, with other settings than ours.
      if (error instanceof ClientError && error.code === Status.UNIMPLEMENTED)
        throw new Problem('faults_off', `faults on purpose are off at ${service}: start it with COMANDA_FAULTS=on`)
      throw error
    })
  const controlOf = (service: OwnerName) => controls.get(service) as NonNullable<ReturnType<typeof controls.get>>

  async function askAll<T>(services: readonly OwnerName[], call: (service: OwnerName) => Promise<T[]>): Promise<Asked<T>> {
    const unreachable: OwnerName[] = []
    const found = await Promise.all(
      services.map((service) =>
        call(service).catch((error: unknown): T[] => {
          if (!isUnavailable(error)) throw error
          unreachable.push(service)
          return []
        }),
      ),
    )
    return { found: found.flat(), unreachable }
  }

  return {
    async set(service: OwnerName, command: SetFaultCommand): Promise<Answer<ServiceFault>> {
      const { outcomes } = await ask(service, (control) => control.setFaults({ commands: [command] }))
      const answer = fromWire<Fault>(outcomes[0])
      return answer.kind === 'done' ? { kind: 'done', value: { ...answer.value, service } } : answer
    },
    list: (services: readonly OwnerName[]): Promise<Asked<ServiceFault>> =>
      askAll(services, async (service) =>
        (await ask(service, (control) => control.listFaults({}))).faults.map((fault) => ({ ...fault, service })),
      ),
    /** How many there were, of each service. */
    clear: (services: readonly OwnerName[]): Promise<Asked<number>> =>
      askAll(services, async (service) => [(await ask(service, (control) => control.clearFaults({}))).cleared]),
    close() {
      for (const control of controls.values()) control.close()
    },
  }
}
