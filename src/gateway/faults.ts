import { ClientError, Status } from 'nice-grpc'
import { type Fault, FaultControlServiceDefinition, type SetFaultCommand } from '../gen/comanda/v1/faults.ts'
import { type Config, OWNERS, type OwnerName } from '../platform/config.ts'
import { connectGrpc, type GrpcClient, isUnavailable } from '../platform/grpc.ts'
import { type Answer, done, fromWire } from '../platform/outcome.ts'
import { Problem } from './errors.ts'

/** Faults on purpose of all services, in one place. The services hold them; this asks each instance of each. */
export type FaultDesk = ReturnType<typeof connectFaultControl>

export type ServiceFault = Fault & { service: OwnerName }
/** What those services said that could be asked; one that just crashes on purpose can't. */
export type Asked<T> = { found: T[]; unreachable: OwnerName[] }

type Control = GrpcClient<FaultControlServiceDefinition>
const FAULTS_MS = 2_000

export function connectFaultControl({ addresses }: Pick<Config['grpc'], 'addresses'>) {
  const connect = (service: OwnerName) =>
    addresses[service].split(',').map((address) => connectGrpc(FaultControlServiceDefinition, address, { timeoutMs: FAULTS_MS, service }))
  const controls = new Map(OWNERS.map((owner) => [owner, connect(owner)]))

  /** Every instance of the service: a fault of a service is one of them all. @throws when none can be reached. */
  async function ask<T>(service: OwnerName, call: (control: Control) => Promise<T>): Promise<T[]> {
    const answers = await Promise.allSettled((controls.get(service) ?? []).map(call))
    const failed = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as unknown] : []))
    // It was started by itself, with other settings than ours.
    if (failed.some((error) => error instanceof ClientError && error.code === Status.UNIMPLEMENTED))
      throw new Problem('faults_off', `faults on purpose are off at ${service}: start it with COMANDA_FAULTS=on`)
    const worst = failed.find((error) => !isUnavailable(error))
    if (worst || failed.length === answers.length) throw worst ?? failed[0]
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  }

  async function askAll<T>(services: readonly OwnerName[], call: (service: OwnerName) => Promise<T[]>): Promise<Asked<T>> {
    const unreachable: OwnerName[] = []
    const asked = services.map((service) =>
      call(service).catch((error: unknown): T[] => {
        if (!isUnavailable(error)) throw error
        unreachable.push(service)
        return []
      }),
    )
    return { found: (await Promise.all(asked)).flat(), unreachable }
  }

  return {
    async set(service: OwnerName, command: SetFaultCommand): Promise<Answer<ServiceFault>> {
      const said = await ask(service, (control) => control.setFaults({ commands: [command] }))
      const answers = said.map(({ outcomes }) => fromWire<Fault>(outcomes[0]))
      const answer = answers.find(({ kind }) => kind !== 'done') ?? answers[0] ?? fromWire<Fault>(undefined)
      return answer.kind === 'done' ? done({ ...answer.value, service }) : answer
    },
    list: (services: readonly OwnerName[]): Promise<Asked<ServiceFault>> =>
      askAll(services, async (service) => {
        const lists = await ask(service, (control) => control.listFaults({}))
        return asOne(lists.flatMap(({ faults }) => faults)).map((fault) => ({ ...fault, service }))
      }),
    /** How many there were, by service. */
    clear: (services: readonly OwnerName[]): Promise<Asked<number>> =>
      askAll(services, async (service) => [
        Math.max(...(await ask(service, (control) => control.clearFaults({}))).map(({ cleared }) => cleared)),
      ]),
    close() {
      for (const control of [...controls.values()].flat()) control.close()
    },
  }
}

/** The same fault at several instances is one; it is over when it is over at all of them. */
function asOne(faults: Fault[]): Fault[] {
  const byId = Map.groupBy(faults, ({ faultId }) => faultId)
  return [...byId.values()].map(([first, ...others]) => {
    const fault = { ...(first as Fault) }
    for (const other of others) {
      fault.struck += other.struck
      fault.endsInMs = Math.max(fault.endsInMs, other.endsInMs)
    }
    return fault
  })
}
