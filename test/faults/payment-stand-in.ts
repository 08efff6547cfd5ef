import { appendFileSync } from 'node:fs'
import type { ServiceImplementation } from 'nice-grpc'
import { type PaymentServiceDefinition as Definition, PaymentServiceDefinition } from '../../src/gen/comanda/v1/payment.ts'
import { serveGrpc } from '../../src/platform/grpc.ts'
import { silentLog } from '../../src/platform/log.ts'

/** A payment service whose only work is to note the order ids of what it voids, in memory or in a file; open to faults. */

export function noting(note: (orderId: string) => void): ServiceImplementation<Definition> {
  const nothing = async () => ({})
  return {
    ...Object.fromEntries(Object.keys(PaymentServiceDefinition.methods).map((name) => [name, nothing])),
    async voidPayments({ commands }) {
      for (const { orderId } of commands) note(orderId)
      return { outcomes: [] }
    },
  } as Partial<ServiceImplementation<Definition>> as ServiceImplementation<Definition>
}

// As a process of its own, which can die: node payment-stand-in.ts <file>; tells its port to whoever forked it.
if (import.meta.main) {
  const service = noting((orderId) => appendFileSync(process.argv[2] as string, `${orderId}\n`))
  const { port } = await serveGrpc(PaymentServiceDefinition, service, { address: '127.0.0.1:0', log: silentLog(), faults: 'on' })
  process.send?.({ port })
}
