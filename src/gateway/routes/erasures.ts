import type { Erasure } from '../../gen/comanda/v1/privacy.ts'
import type { App, GatewayDependencies } from '../dependencies.ts'
import { doneOrThrow } from '../errors.ts'
import { EraseBody, ErasuresQuery } from '../schemas.ts'
import { ErasuresView, ErasureView } from '../view-schemas.ts'
import { isoOrNull } from '../views.ts'

const tags = ['customers']
const PAGE = 50
const config = { scope: 'customers:erase' } as const

/** Erasing what is known of a customer. The user's id comes in the body: addresses of requests stand in the logs of proxies. */
export function erasureRoutes(app: App, { clients }: GatewayDependencies): void {
  const erase = {
    summary:
      'Erases what is known of a customer: orders that have ended at once, the others once they have. Asked again it tells how far it is',
    tags,
    body: EraseBody,
    response: { 200: ErasureView, 202: ErasureView },
  }
  app.post('/erasures', { schema: erase, config }, async (request, reply) => {
    const { user_id: userId, reason = '', dry_run: dryRun = false } = request.body
    const command = { userId, reason, dryRun, askedBy: request.caller?.keyId ?? '', requestId: request.id }
    const erasure = doneOrThrow(await clients.eraseCustomer(command))
    return reply.code(dryRun || erasure.endedAt ? 200 : 202).send(erasureView(erasure))
  })

  const list = { summary: 'Who was erased when, why and on whose word; the newest first', tags, querystring: ErasuresQuery }
  app.get('/erasures', { schema: { ...list, response: { 200: ErasuresView } }, config }, async (request) => {
    const { before = '', limit } = request.query
    const page = await clients.listErasures({ before, limit: Number(limit ?? PAGE) })
    return { erasures: (page?.erasures ?? []).map(erasureView), next: page?.next || null }
  })
}

const erasureView = ({
  id,
  userId,
  pseudonym,
  reason,
  askedBy,
  askedAt,
  endedAt,
  erased,
  erasable,
  waiting,
  waitingOrderIds,
}: Erasure) => ({
  ...{ id: id || null, user_id: userId || null, pseudonym: pseudonym || null, reason, asked_by: askedBy || null },
  ...{
    asked_at: isoOrNull(askedAt),
    ended_at: isoOrNull(endedAt),
    dry_run: id === '',
    erased,
    erasable,
    waiting,
    waiting_orders: waitingOrderIds,
  },
})
