import { X509Certificate } from 'node:crypto'
import {
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  ServerListenerBuilder,
  status,
} from '@grpc/grpc-js'
import { isFor } from './certificates.ts'
import type { OwnerName, ServiceName } from './config.ts'
import type { Log } from './log.ts'

/** With mutual TLS: whose certificate answers for a gRPC service, and whose may call it. A certificate's DNS name is the service's name. */

/** `operator`: the command line, and the supervisor where it fills the catalogue. */
export type Peer = ServiceName | 'operator'

/** A caller with methods after it may call those alone. */
type Callers = Partial<Record<Peer, 'all' | string[]>>
const GATEWAY_AND_ORDERS: Callers = { gateway: 'all', orders: 'all' }

const SERVICES: Record<string, { at: OwnerName; callers: Callers }> = {
  'comanda.v1.OrdersService': { at: 'orders', callers: { gateway: 'all', shipping: ['RecordShipments'] } },
  'comanda.v1.AccessService': { at: 'orders', callers: { gateway: 'all', operator: 'all' } },
  'comanda.v1.PrivacyService': { at: 'orders', callers: { gateway: 'all' } },
  'comanda.v1.InventoryService': {
    at: 'inventory',
    callers: { ...GATEWAY_AND_ORDERS, operator: ['ListProducts', 'CreateProducts'] },
  },
  'comanda.v1.PaymentService': { at: 'payment', callers: GATEWAY_AND_ORDERS },
  'comanda.v1.ShippingService': { at: 'shipping', callers: GATEWAY_AND_ORDERS },
}
/** At every service. Health and reflection tell nothing that is worth a list: whoever has a certificate of our CA may ask. */
const EVERYWHERE: Record<string, Callers | 'all'> = {
  'comanda.v1.FaultControlService': { gateway: 'all' },
  'grpc.health.v1.Health': 'all',
  'grpc.reflection.v1.ServerReflection': 'all',
}

/** Who answers for a service, by its full name; undefined for those that are everywhere. */
export const homeOf = (fullName: string): OwnerName | undefined => SERVICES[fullName]?.at

/** Whose calls of a method are taken. Empty: nobody's. */
export function callersOf(fullName: string, method: string): readonly Peer[] | 'all' {
  const callers = SERVICES[fullName]?.callers ?? EVERYWHERE[fullName] ?? {}
  if (callers === 'all') return 'all'
  return (Object.keys(callers) as Peer[]).filter((name) => callers[name] === 'all' || callers[name]?.includes(method))
}

/** Refuses calls of those who have a good certificate, but have no business here. What is on no list is refused to all. */
export function admitCallers(log: Log): ServerInterceptor {
  return ({ path }, call) => {
    const slash = path.lastIndexOf('/')
    const callers = callersOf(path.slice(1, slash), path.slice(slash + 1))
    if (callers === 'all') return call as ServerInterceptingCall
    const refuse = () => {
      log.warn({ rpc: path, peer: call.getPeer(), certificate: namesOf(call) }, 'call refused: not for this certificate')
      call.sendStatus({ code: status.PERMISSION_DENIED, details: `the certificate of the caller is for none of ${callers.join(', ')}` })
    }
    return new ServerInterceptingCall(call, {
      start(next) {
        next(
          new ServerListenerBuilder().withOnReceiveMetadata((metadata, go) => (isOneOf(call, callers) ? go(metadata) : refuse())).build(),
        )
      },
    })
  }
}

function isOneOf(call: ServerInterceptingCallInterface, names: readonly Peer[]): boolean {
  const { sslPeerCertificate } = call.getAuthContext()
  if (!sslPeerCertificate) return false
  const certificate = new X509Certificate(sslPeerCertificate.raw)
  return names.some((name) => isFor(certificate, name))
}

const namesOf = (call: ServerInterceptingCallInterface) => call.getAuthContext().sslPeerCertificate?.subjectaltname ?? 'none'
