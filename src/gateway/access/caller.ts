import type { Scope } from '../../platform/api-key.ts'
import type { Clients } from '../clients.ts'

/** Who a request comes from, as its key tells. Without keys there is none, and all is allowed. */
export type Caller = {
  keyId: string
  scopes: ReadonlySet<Scope>
  /** The only user whose orders there are for this caller; undefined: all. */
  userId: string | undefined
}

/** Whether what belongs to this user is there for the caller. What is not there is 404, never 403: that it exists is nobody's business. */
export const sees = (caller: Caller | undefined, userId: string): boolean => caller?.userId === undefined || caller.userId === userId

/** The same for the user of an order that is known by its id only. An order that is not there is seen by nobody. */
export async function seesOrder(
  caller: Caller | undefined,
  { id, clients }: { id: string; clients: Pick<Clients, 'getOrder'> },
): Promise<boolean> {
  if (caller?.userId === undefined) return true
  const order = await clients.getOrder(id)
  return order !== undefined && sees(caller, order.userId)
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | undefined
  }
}
